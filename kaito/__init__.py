"""KAITO: GPU nodes and model workloads on Kubernetes, from one Workspace object."""
