"""The same stories with processes killed at every step."""
