"""Processes are killed half-way; the end state is the same."""
