"""The page in docs/ that says what was found."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from importlib.metadata import version

from hack.benchmarks.engine.page import machine
from hack.benchmarks.provisioner.rounds import POOL_SECONDS, Figures

_HEAD = """# Many machines at once

Written by `hack/bench provisioner` on {date}. Do not edit.

{machines} Machines are created at once in a local cluster, each of which is a pool of the local ARM
server that takes {pool_seconds:g} seconds; then again in a new cluster, whose ARM takes one request
a second (`throttled`) and refuses all others. No Workspace stands behind them, and the provisioner
runs as it does in its pod. All of the cluster shares the machine with what is measured.

- Machine: {machine}; {load:.1f} other processes wanted a processor when it began
- Versions: {versions}
- Pools: until the last of them was accepted, and {pool_seconds:g} seconds more. No machine can be
  Ready sooner. What Ready takes longer is the provisioner's and the cluster's: here
  kube-controller-manager looks at nodes each second, where its default is five.
- ARM requests: all that the provisioner sends until every machine is Ready: PUTs, lists (a request
  for each fifty pools), questions about sizes and quota, and those that ARM refused. It signed in
  before.
- Pools left: after all Machines are deleted.

"""
_PACKAGES = ("aiohttp", "azure-mgmt-containerservice", "azure-identity")
_TITLES: Mapping[str, str] = {
    "machines": "machines",
    "ready_seconds": "ready, s",
    "pool_seconds": "pools, s",
    "arm_requests": "ARM requests",
    "puts": "PUTs",
    "pools_left": "pools left",
    "cpu_seconds": "CPU, s",
    "peak_mb": "peak, MiB",
}


def page(free: Figures, throttled: Figures, *, today: date, load: float) -> str:
    """The text of the page.

    Args:
        free: the round in which ARM takes whatever comes.
        throttled: the one in which it takes one request a second.
        today: when.
        load: of the machine before it began: processes that ran or waited for a processor.
    """
    names = [each.name for each in fields(Figures)]
    lines = [
        ["ARM", *(_TITLES[name] for name in names)],
        ["---"] * (len(names) + 1),
        *(
            [word, *(str(getattr(found, name)) for name in names)]
            for word, found in (("free", free), ("throttled", throttled))
        ),
    ]
    head = _HEAD.format(
        date=today,
        machines=free.machines,
        machine=machine(),
        load=load,
        pool_seconds=POOL_SECONDS,
        versions=_versions(),
    )
    return head + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _versions() -> str:
    """Of Python, and of what carries the requests to ARM."""
    found = {"Python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
    return ", ".join(f"{name} {text}" for name, text in found.items())
