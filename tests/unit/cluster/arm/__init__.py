"""Tests of hack.cluster.arm."""
