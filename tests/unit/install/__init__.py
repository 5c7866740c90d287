"""How the environments are made."""
