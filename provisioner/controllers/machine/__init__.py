"""One claim, one instance: from launch to termination."""
