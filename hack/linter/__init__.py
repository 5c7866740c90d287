"""A linter of manifests, kube-score, over every overlay, and the findings that stay with reasons."""
