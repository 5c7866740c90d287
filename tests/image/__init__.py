"""The image really built, run, named, pushed and pinned; and a linter over the manifests."""
