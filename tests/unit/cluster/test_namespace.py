"""Ports below 1024 for users who may not listen on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[3]

WITHOUT_LOW_PORTS = ("setpriv", "--bounding-set=-net_bind_service")
"""Takes the right to listen on port 80 from root."""

SCRIPT = """
import socket, sys
from hack.cluster.namespace import ensure_low_ports, has_moved, low_ports_open
print("open" if low_ports_open() else "closed", flush=True)
ensure_low_ports([sys.executable, "-c", sys.argv[1], sys.argv[1]])
with socket.create_server(("127.96.0.1", 80)) as server:
    with socket.create_connection(server.getsockname()):
        print("moved" if has_moved() else "stayed", "and connected")
"""


def lines(*prefix: str) -> list[str]:
    """What the script prints when it runs under `prefix`."""
    ran = subprocess.run(
        [*prefix, sys.executable, "-c", SCRIPT, SCRIPT],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        text=True,
    )
    return ran.stdout.splitlines()


def succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


ordinary = WITHOUT_LOW_PORTS if os.geteuid() == 0 else ()


@pytest.mark.skipif(
    not succeeds(*ordinary, "unshare", "-Urn", "true"), reason="user namespaces are forbidden"
)
def test_an_ordinary_user_gets_a_network_where_port_80_is_open() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first <= 80:
        pytest.skip("port 80 is open to everybody")

    assert lines(*ordinary) == ["closed", "open", "moved and connected"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may use port 80")
def test_root_stays_where_it_is() -> None:
    assert lines() == ["open", "stayed and connected"]
