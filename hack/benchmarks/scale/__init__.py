"""Many workspaces created at once: how long until all are ready, beside the floor."""
