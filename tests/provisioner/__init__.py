"""The provisioner's own process against the real Azure SDK, an ARM server and a real API server."""
