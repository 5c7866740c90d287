"""What the real API server admits, beside what the controller says about the same objects."""
