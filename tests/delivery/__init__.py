"""What a platform team meets: manifests on a real API server, rules in a real Prometheus."""
