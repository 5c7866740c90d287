"""Azure: the only place that imports its SDK."""
