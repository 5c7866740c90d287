"""A real OCI registry beside the cluster: the CNCF distribution, with TLS and accounts."""
