"""Tests of hack.cluster.kubelet."""
