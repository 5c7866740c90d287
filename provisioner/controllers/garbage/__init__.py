"""Instances without a claim, and nodes without an instance."""
