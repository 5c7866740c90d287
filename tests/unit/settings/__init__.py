"""Settings of the workspace controller, and the page that lists all settings."""
