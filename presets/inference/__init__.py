"""The inference server of the preset images; server.py is the program, README.md the contract."""
