"""The real kustomize-controller of Flux, over Workspaces and over the operator itself."""
