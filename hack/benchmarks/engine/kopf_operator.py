"""The job on kopf, as its documentation has an operator for a whole cluster.

kopf keeps its own record of each object in an annotation, and does so before and with the status.
All settings are at their defaults.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import kopf

from hack.benchmarks.engine import job
from hack.benchmarks.engine.probe import Probe


def give_status() -> None:
    """Register what gives widgets their status."""

    async def settle(spec: Any, meta: Any, patch: Any, **_: Any) -> None:
        patch.status.update(job.status(spec["parts"], meta["generation"]))

    for event in (kopf.on.resume, kopf.on.create, kopf.on.update):
        event(job.GROUP, job.VERSION, job.PLURAL)(settle)


def watch_nodes(count: int, probe: Probe) -> None:
    """Register what looks at nodes, until it has seen all that there are."""
    left = count

    async def seen(**_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            probe.finish()

    kopf.on.event("v1", "nodes")(seen)


async def run(probe: Probe) -> None:
    """Run until SIGTERM."""
    probe.start()
    await kopf.operator(clusterwide=True, standalone=True)


def main() -> None:
    """Run the operator of this process's arguments."""
    task, reports = job.Task.read(sys.argv[1:])
    os.environ["KUBECONFIG"] = task.kubeconfig
    kopf.configure()  # its own command line does this first: log lines, at level info
    probe = Probe(reports)
    if task.kind == "nodes":
        watch_nodes(task.count, probe)
    else:
        give_status()
    asyncio.run(run(probe))


if __name__ == "__main__":
    main()
