"""Unit tests of the provisioner."""
