"""Which nodes serve a workspace."""
