"""Which nodes serve a workspace: claims, nodes that the user brings, readiness. Pure."""
