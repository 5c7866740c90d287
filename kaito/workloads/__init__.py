"""What runs on the nodes: Deployment, Service. Pure functions from spec and preset to objects."""
