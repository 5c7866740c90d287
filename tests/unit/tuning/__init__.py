"""Tests of the trainer that runs in the model images."""
