"""What builds, checks and runs the project on one machine. Nothing here ships in the image."""
