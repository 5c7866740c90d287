"""What keeps claims and instances in step."""
