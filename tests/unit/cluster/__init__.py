"""Tests of hack.cluster."""
