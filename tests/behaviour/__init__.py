"""Stories: the real controllers against a real API server, the cloud behind its protocol."""
