"""The operator's image, built without a daemon from Debian's packages and the lock files alone."""
