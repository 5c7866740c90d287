"""The Kinds: what the API server is told of them, and what they decode."""
