"""Bugs on purpose, each of which some test has to notice."""
