"""A linter of manifests over every overlay, and the findings that stay, with reasons."""
