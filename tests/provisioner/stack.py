"""The provisioner's process, ARM and an API server: all that there is of a cluster.

The process runs under the rules of its own ServiceAccount, and signs in to Azure with that
account's token, as its pod does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from hack.cluster import audit
from hack.cluster import layout as names
from hack.cluster.arm.faults import Scenario
from hack.cluster.arm.provider import SYSTEM_POOL
from hack.cluster.arm.server import serving
from hack.cluster.arm.settings import Pace, Settings
from hack.cluster.layout import Layout
from hack.cluster.process import Process, Program
from kaito.kube.client import Client
from tests import realserver, rights
from tests.bystander import LIMIT_SECONDS, Bystander, Json, condition, holds, until
from tests.claims import KINDS, Kind, manifest
from tests.provisioner.books import requests
from tests.provisioner.door import Door
from tests.provisioner.machines import Machines
from tests.provisioner.portal import Portal
from tests.rights import Right

SERVICE_ACCOUNT = "/api/v1/namespaces/kaito-system/serviceaccounts/provisioner"
PACE = Pace(provision_seconds=0.5, delete_seconds=0.3, page_size=20)
QUICK: Mapping[str, str] = {
    "PROVISIONER_POLL_SECONDS": "2",
    "PROVISIONER_POLL_BUSY_SECONDS": "0.25",
    "PROVISIONER_LEADER_ELECT": "false",
}


@dataclass
class Stack:
    """All of it, with at most one provisioner.

    Attributes:
        layout: where everything is.
        door: ARM, inside this process.
        client: of the administrator.
        machines: those of ARM's pools.
        see: the same from outside.
        portal: of somebody else.
        process: the provisioner.
    """

    layout: Layout
    door: Door
    client: Client
    machines: Machines
    see: Bystander
    portal: Portal
    process: Process | None = None

    async def start(self, **settings: str) -> None:
        """Start a provisioner, quick ones of its settings replaced; does not wait for it."""
        assert self.process is None
        self.process = await self.launch("provisioner", settings)

    async def launch(self, name: str, settings: Mapping[str, str]) -> Process:
        """Start a provisioner that is somebody else's to stop; its log has that name."""
        environment = {**self._environment(), **QUICK, **settings}
        program = Program(name, (sys.executable, "-m", "provisioner"), environment)
        return await Process.start(program, folder=self.layout.repo, logs=self.layout.logs)

    async def stop(self) -> None:
        """Stop the provisioner, if one runs, in order."""
        if self.process:
            await self.process.stop()
            self.process = None

    def kill(self) -> None:
        """SIGKILL, at once."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)

    async def replace(self, **settings: str) -> None:
        """Start a provisioner after the one that was killed."""
        assert self.process is not None
        await self.process.wait()
        self.process = None
        await self.start(**settings)

    async def sprung(self) -> None:
        """Wait until the trap has killed the provisioner."""
        assert self.door.trap
        async with asyncio.timeout(LIMIT_SECONDS):
            await self.door.trap.sprung.wait()

    async def succeed(self, **settings: str) -> None:
        """Wait for that, and start another provisioner in its place."""
        await self.sprung()
        await self.replace(**settings)

    def used(self) -> set[Right]:
        """The rights that a provisioner has made use of so far."""
        return rights.used(rights.requests(self.layout))

    async def readiness(self) -> tuple[int, str]:
        """What the provisioner says of itself; status 0 while it does not listen."""
        try:
            return await self._asked(self.layout.ports.controller_manager, "readyz")
        except aiohttp.ClientConnectionError:
            return 0, ""

    async def ready(self) -> None:
        """Wait until the provisioner is."""

        async def is_ready() -> bool:
            return (await self.readiness())[0] == 200

        await until("the provisioner to be ready", is_ready)

    def play(self, *rules: Mapping[str, object], **more: object) -> None:
        """Have the cloud go wrong by these rules, quotas and limits, until the next call."""
        self.door.play(Scenario.model_validate({"rules": rules, **more}))

    async def apply(self, *claims: Mapping[str, object]) -> None:
        """Write claims as people do."""
        applied = await self.see.kubectl("apply", "-f", "-", stdin=manifest(*claims))
        assert applied.code == 0, applied.errors

    async def delete(self, *claims: Mapping[str, object], wait: bool = True) -> None:
        """Delete claims as people do, and wait until they are released."""
        words = (
            "delete",
            "--ignore-not-found",
            f"--wait={str(wait).lower()}",
            "--timeout=180s",
            "-f",
            "-",
        )
        deleted = await self.see.kubectl(*words, stdin=manifest(*claims))
        assert deleted.code == 0, deleted.errors

    async def tear(self, kind: Kind, name: str) -> None:
        """Take a claim away by force, finalizer and all."""
        claim, bare = f"{kind.name.lower()}/{name}", '{"metadata":{"finalizers":null}}'
        await self.see.kubectl("patch", claim, "--type=merge", f"--patch={bare}")
        await self.see.kubectl("delete", claim, "--ignore-not-found")

    async def raze(self) -> None:
        """Remove by force what a test that failed has left: claims, pools and nodes."""
        for kind in KINDS:
            for claim in await self.see.items(kind.path):
                await self.tear(kind, claim["metadata"]["name"])
        if self.states():
            await self.see.kubectl("delete", "nodes", "--selector=kaito.sh/machine-type")
            self.door.raze()

    async def claim(self, kind: Kind, name: str) -> Json:
        """A claim; None once it is released."""
        return await self.see.get(f"{kind.path}/{name}")

    async def until_told(self, kind: Kind, name: str, type: str, reason: str) -> Json:
        """Wait until a condition gives a reason; returns the condition."""

        async def told() -> Json:
            found = condition(await self.claim(kind, name), kind.condition(type))
            return found if found.get("reason") == reason else None

        return await until(f"{name} to tell {reason}", told)

    async def until_ready(self, *claims: tuple[Kind, str]) -> None:
        """Wait until claims are Ready."""
        for kind, name in claims:

            async def is_ready(kind: Kind = kind, name: str = name) -> bool:
                return holds(await self.claim(kind, name), "Ready")

            await until(f"{name} to be Ready", is_ready)

    async def asked(self, operation: str, pool: str) -> list[Json]:
        """What ARM was asked about a pool, in order."""
        return requests(await self.see.journal(), operation, pool)

    async def lacks(self, *names: str) -> bool:
        """Whether neither claims nor pools of those names are left."""
        left = [await self.claim(kind, name) for kind in KINDS for name in names]
        return not any(left) and not set(names) & self.states().keys()

    def states(self) -> Mapping[str, str]:
        """State of each pool that there is, without the system pool."""
        pools = self.door.fleet().pools.values()
        return {pool.name: pool.state for pool in pools if pool.name != SYSTEM_POOL}

    async def samples(self, name: str) -> Mapping[Mapping[str, str] | frozenset[Any], float]:
        """Values of a metric, by the set of its labels."""
        _, text = await self._asked(self.layout.ports.scheduler, "metrics")
        return {
            frozenset(sample.labels.items()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    async def _asked(self, port: int, path: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/{path}") as answer,
        ):
            return answer.status, await answer.text()

    def _environment(self) -> Mapping[str, str]:
        layout = self.layout
        return {
            "ARM_RESOURCE_GROUP": names.RESOURCE_GROUP,
            "ARM_SUBSCRIPTION_ID": names.SUBSCRIPTION_ID,
            "AZURE_AUTHORITY_HOST": layout.arm_url,
            "AZURE_CLIENT_ID": names.CLIENT_ID,
            "AZURE_CLUSTER_NAME": names.CLUSTER_NAME,
            "AZURE_FEDERATED_TOKEN_FILE": str(token_file(layout)),
            "AZURE_TENANT_ID": names.TENANT_ID,
            "KUBECONFIG": str(_kubeconfig(layout)),
            "LOCATION": names.LOCATION,
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "PROVISIONER_ARM_CA_FILE": str(layout.arm_ca_certificate),
            "PROVISIONER_ARM_ENDPOINT": layout.arm_url,
            "PROVISIONER_HEALTH_PORT": str(layout.ports.controller_manager),
            "PROVISIONER_HOST": "127.0.0.1",
            "PROVISIONER_METRICS_ACCESS": "open",
            "PROVISIONER_METRICS_PORT": str(layout.ports.scheduler),
            "PYTHONPATH": str(layout.repo),
        }


@asynccontextmanager
async def stacked(evidence: Path, *, pace: Pace = PACE) -> AsyncIterator[Stack]:
    """A stack without a provisioner; what it logged is copied to `evidence` in the end.

    Args:
        evidence: a folder.
        pace: of the cloud.
    """
    async with realserver.serving(cached=True, flags=_audited) as layout:
        layout.arm.mkdir()
        settings = Settings(
            home=layout.home,
            certificate=layout.certificate("arm"),
            key=layout.key("arm"),
            issuer_key=layout.service_account_public_key,
            port=layout.ports.arm,
            **pace,
        )
        door, client = Door(settings), await realserver.connect(layout, "tests")
        see = Bystander(layout)
        try:
            await _identify(layout, client, see)
            machines = Machines(door, client, layout)
            portal = Portal(layout, token_file(layout).read_text())
            stack = Stack(layout, door, client, machines, see, portal)
            door.kill = stack.kill
            async with serving(settings, door):
                booting = asyncio.create_task(machines.run())
                try:
                    yield stack
                finally:
                    await stack.stop()
                    booting.cancel()
        finally:
            await client.close()
            for path in (*layout.logs.glob("*.log"), *layout.arm.glob("*.jsonl")):
                shutil.copy(path, evidence)


def _audited(layout: Layout) -> tuple[str, ...]:
    """Flags of an API server that writes down what the provisioner does."""
    audit.write_policy(layout)
    return tuple(f"--{name}={value}" for name, value in audit.flags(layout).items())


def token_file(layout: Layout) -> Path:
    """Where the provisioner finds the token that it signs in to Azure with."""
    return layout.run / "azure-token"


def _kubeconfig(layout: Layout) -> Path:
    return layout.run / "provisioner.kubeconfig"


async def _identify(layout: Layout, client: Client, see: Bystander) -> None:
    """Make the provisioner's account with its rules, and give it its two tokens."""
    manifests = layout.repo / "manifests"
    files = (manifests / "namespace" / "namespace.yaml", manifests / "rbac" / "provisioner.yaml")
    for file in files:
        applied = await see.kubectl("apply", "-n", "kaito-system", "-f", str(file))
        assert applied.code == 0, applied.errors
    token_file(layout).write_text(await _token(client, "api://AzureADTokenExchange"))
    cluster = {"server": layout.api_url, "certificate-authority": str(layout.ca_certificate)}
    user = {"token": await _token(client)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "provisioner", "user": user}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "provisioner"}}],
        "current-context": "local",
    }
    _kubeconfig(layout).write_text(json.dumps(config))


async def _token(client: Client, *audiences: str) -> str:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": list(audiences), "expirationSeconds": 7200},
    }
    answer: Any = await client.request("POST", f"{SERVICE_ACCOUNT}/token", body=body)
    return str(answer["status"]["token"])
