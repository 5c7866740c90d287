"""The controller engine and kopf at the same job, against the same API server in memory."""
