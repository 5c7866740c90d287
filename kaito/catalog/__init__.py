"""Presets and GPU SKUs, read once from presets/ into immutable values; loud at start."""
