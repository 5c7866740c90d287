"""The engine against a real API server, and a proxy in front of it that misbehaves."""
