"""Ninety machines at once: how long until all are Ready, and what that costs."""
