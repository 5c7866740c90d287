"""Which addresses and ports a new cluster takes, so that several share a machine.

A slot is held by a listening name in Linux's abstract socket namespace. It belongs to the
network namespace, as the addresses do that it stands for, and the kernel frees it with the
process that holds it: no file can be left behind.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from hack.cluster.failures import ClusterFailed
from hack.cluster.layout import SLOT_COUNT, Ports

FIRST_PORT = 20000
"""Below the range that outgoing connections take their ports from (32768 on Linux)."""

PORTS_PER_SLOT = 64


@contextmanager
def held_slot() -> Iterator[int]:
    """Hold the first free slot of this network namespace.

    Raises:
        ClusterFailed: all of them are taken.
    """
    for slot in range(SLOT_COUNT):
        with socket.socket(socket.AF_UNIX) as holder:
            try:
                holder.bind(f"\0kaito-local-slot-{slot}")
            except OSError:
                continue
            yield slot
            return
    raise ClusterFailed(f"{SLOT_COUNT} local clusters run on this machine: stop one of them")


def free_ports(slot: int) -> Ports:
    """Ports on 127.0.0.1 that nothing listens on, out of those of the slot.

    Raises:
        ClusterFailed: other programs listen on too many of them.
    """
    first = FIRST_PORT + slot * PORTS_PER_SLOT
    free = [port for port in range(first, first + PORTS_PER_SLOT) if _is_free(port)]
    names = list(Ports.model_fields)
    if len(free) < len(names):
        raise ClusterFailed(f"ports {first} to {first + PORTS_PER_SLOT - 1} are taken")
    return Ports(**dict(zip(names, free, strict=False)))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
