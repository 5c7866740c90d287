"""Two provisioners that take turns: the one that leads is killed, and the other goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from hack.cluster.process import Process
from tests.bystander import until
from tests.provisioner.stack import Stack

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kaito-system/leases/provisioner"
TURNS: Mapping[str, str] = {
    "PROVISIONER_LEADER_ELECT": "true",
    # A busy machine may hold a leader up for seconds, and only a killed one is to lose the lease.
    "PROVISIONER_LEASE_SECONDS": "5",
    "PROVISIONER_RENEW_SECONDS": "4",
    "PROVISIONER_RETRY_SECONDS": "0.4",
    "PROVISIONER_HEALTH_PORT": "0",
    "PROVISIONER_METRICS_PORT": "0",
}


@dataclass
class Replicas:
    """Two processes of the provisioner.

    Attributes:
        stack: everything else.
        leader: name of the one that led when somebody last looked.
        led: names of all that have led, in order.
    """

    stack: Stack
    settings: Mapping[str, str] = field(default_factory=dict)
    leader: str = ""
    led: list[str] = field(default_factory=list)
    _living: dict[str, Process] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)

    async def fill(self) -> None:
        """Start as many as are missing, and wait until one that lives leads."""
        self._living = {name: each for name, each in self._living.items() if each.exit_code is None}
        while len(self._living) < 2:
            name = f"replica-{next(self._numbers)}"
            settings = {**TURNS, **self.settings, "PROVISIONER_IDENTITY": name}
            self._living[name] = await self.stack.launch(name, settings)
        self.leader = await until("a leader", self._leading)
        if self.leader not in self.led:
            self.led.append(self.leader)

    def kill(self) -> None:
        """SIGKILL to the one that leads, at once."""
        os.kill(self._living[self.leader].pid, signal.SIGKILL)

    async def bury(self) -> None:
        """Wait until the killed one has ended."""
        await self._living.pop(self.leader).wait()

    async def stop(self) -> None:
        """Stop all."""
        for process in self._living.values():
            await process.stop()
        self._living.clear()

    async def _leading(self) -> str:
        lease = await self.stack.see.get(LEASE)
        holder = str((lease or {}).get("spec", {}).get("holderIdentity", ""))
        return holder if holder in self._living else ""
