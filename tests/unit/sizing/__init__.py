"""Where models fit, against figures that others have published."""
