"""The command line of people."""
