"""What a registry holds: references, accounts, manifests, layers; pulled, pushed and checked."""
