"""Two processes of each program, one of which leads, and everything that can go wrong with it."""
