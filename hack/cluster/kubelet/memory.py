"""A container's limit on memory: what it holds is looked at now and then, above it the end.

A node's kernel refuses the first page too many; here a container may have more for a moment. Only
pages of its processes' own count: not files, nor what lies in /dev/shm and in volumes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from hack.cluster.kubelet.container import ContainerProcess
from hack.cluster.kubelet.pod import Container
from hack.cluster.kubelet.quantity import parsed

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


def limit_bytes(container: Container) -> int | None:
    """How much memory a container may hold; None where nothing bounds it."""
    quantity = container.resources.limits.get("memory")
    return int(parsed(quantity)) if quantity else None


def held_bytes(pid: int) -> int:
    """Memory that a process and its descendants hold; 0 when it has ended."""
    return sum(_own_pages(each) for each in _family(pid)) * _PAGE_BYTES


async def enforce(process: ContainerProcess, limit: int, *, look_seconds: float) -> None:
    """Look until the container holds more than `limit` bytes, and kill it then."""
    while True:
        if held_bytes(process.pid) > limit:
            process.kill_out_of_memory()
            return
        await asyncio.sleep(look_seconds)


def _family(pid: int) -> Iterator[int]:
    """A process and all its descendants; what is orphaned in a container is its process 1's."""
    yield pid
    for file in _PROC.glob(f"{pid}/task/*/children"):
        for child in _words(file):
            yield from _family(int(child))


def _own_pages(pid: int) -> int:
    """Pages of a process that no file and no other memory stands behind."""
    words = _words(_PROC / str(pid) / "statm")
    return int(words[1]) - int(words[2]) if words else 0


def _words(file: Path) -> list[str]:
    """What stands in a file of /proc; nothing when the process has ended meanwhile."""
    try:
        return file.read_text().split()
    except OSError:
        return []
