"""One process of a program, and its own way to the API server, which can be broken."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hack.cluster import layout as names
from hack.cluster.layout import OPERATOR_NAMESPACE, Layout
from hack.cluster.process import Process
from hack.cluster.process import Program as Command
from hack.cluster.session import REPO
from tests.engine.proxy import Proxy, proxying
from tests.takeover.audit import PROCESS
from tests.takeover.ground import token_file

LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 3.0, 2.0, 0.4
"""The usual three, divided by five."""


class Program(StrEnum):
    """What runs; also the name of its lease and of its ServiceAccount."""

    KAITO = "kaito"
    PROVISIONER = "provisioner"


@dataclass(eq=False, frozen=True, slots=True)
class Replica:
    """A process that was started once, and is never started again.

    Attributes:
        name: its identity in the lease and in the audit log.
        link: its way to the API server.
        process: the process.
    """

    name: str
    link: Proxy
    process: Process
    _open: AsyncExitStack

    @classmethod
    async def start(cls, layout: Layout, program: Program, name: str, **flags: object) -> Replica:
        """Start one; it acts with the rights of its ServiceAccount, and with further flags."""
        opened = AsyncExitStack()
        user = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{program}"
        link = await opened.enter_async_context(proxying(layout))
        link.added = {"Impersonate-User": user, f"Impersonate-Extra-{PROCESS}": name}
        command = Command(
            name,
            (sys.executable, "-m", program, *_flags(layout, program, name, link, flags)),
            _environment(layout),
        )
        process = await Process.start(command, folder=REPO, logs=layout.logs)
        # One CPU, as in a small pod: its threads take turns, and none sees to the others.
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(process.pid, {processors[process.pid % len(processors)]})
        return cls(name, link, process, opened)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended; it may be stopped."""
        return self.process.exit_code is None

    @property
    def stands_by(self) -> bool:
        """Whether it has come as far as asking for the lease."""
        return self.is_alive and any("/leases/" in each for each in self.link.seen)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def said(self) -> str:
        """The end of its log."""
        return "\n".join(self.process.log.read_text().splitlines()[-20:])

    async def end(self) -> None:
        """Kill it if it still runs, and close its link."""
        if self.is_alive:
            self.signal(signal.SIGKILL)
            await self.process.wait()
        await self._open.aclose()


def _flags(
    layout: Layout, program: Program, name: str, link: Proxy, more: Mapping[str, object]
) -> list[str]:
    own: dict[Program, dict[str, object]] = {
        Program.KAITO: {"presets-dir": REPO / "presets"},
        Program.PROVISIONER: {
            "arm-ca-file": layout.arm_ca_certificate,
            "arm-endpoint": layout.arm_url,
            "poll-busy-seconds": 0.3,
            "poll-seconds": 1,
        },
    }
    flags = {
        "kubeconfig": _kubeconfig(layout, name, link),
        "identity": name,
        "namespace": OPERATOR_NAMESPACE,
        "host": "127.0.0.1",
        "health-port": 0,
        "metrics-port": 0,
        "lease-seconds": LEASE_SECONDS,
        "renew-seconds": RENEW_SECONDS,
        "retry-seconds": RETRY_SECONDS,
        **own[program],
        **more,
    }
    return [f"--{key.replace('_', '-')}={value}" for key, value in flags.items()]


def _environment(layout: Layout) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(layout.run),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(REPO),
        "ARM_SUBSCRIPTION_ID": names.SUBSCRIPTION_ID,
        "ARM_RESOURCE_GROUP": names.RESOURCE_GROUP,
        "AZURE_AUTHORITY_HOST": layout.arm_url,
        "AZURE_CLIENT_ID": names.CLIENT_ID,
        "AZURE_CLUSTER_NAME": names.CLUSTER_NAME,
        "AZURE_FEDERATED_TOKEN_FILE": str(token_file(layout)),
        "AZURE_TENANT_ID": names.TENANT_ID,
    }


def _kubeconfig(layout: Layout, name: str, link: Proxy) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "link", "cluster": {"server": link.url}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": "link", "context": {"cluster": "link", "user": name}}],
        "current-context": "link",
    }
    path = layout.run / f"{name}.kubeconfig"
    path.write_text(json.dumps(content))
    return path
