"""What takes how long: one module a benchmark, whose last line is JSON."""
