"""The API server, the cloud and the cluster in memory, and the real controllers in virtual time."""
