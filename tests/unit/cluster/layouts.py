"""The layout of a cluster that is not there, for tests of what is made of it."""

from __future__ import annotations

from pathlib import Path

from hack.cluster.layout import Layout, Ports

PORTS = Ports(
    etcd=1, etcd_peer=2, api_server=3, controller_manager=4, scheduler=5, arm=6, registry=7
)


def a_layout(slot: int = 0, home: Path = Path("/home-of-one")) -> Layout:
    """One with paths that nobody has."""
    return Layout(slot=slot, home=home, repo=Path("/repo"), cache=Path("/cache"), ports=PORTS)
