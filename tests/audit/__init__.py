"""The rights that are only seen in use where the API server streams no lists."""
