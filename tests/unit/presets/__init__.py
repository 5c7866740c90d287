"""The presets: their data, and the inference server as a real process."""
