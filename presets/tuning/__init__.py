"""The trainer that runs in the model images."""
