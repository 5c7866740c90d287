"""How much GPU memory a model needs, and where it fits; with the reason in words. Pure."""
