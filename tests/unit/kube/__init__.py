"""The engine: each module against values, or against a small API server in memory."""
