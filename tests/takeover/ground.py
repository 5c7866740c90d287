"""What the processes stand on: an API server with an audit log, our RBAC, and a cloud."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import FEDERATED_AUDIENCE, OPERATOR_NAMESPACE, Layout
from hack.cluster.parts import READY_SECONDS, Pace, waves
from hack.cluster.process import Process
from hack.cluster.session import REPO
from kaito.kube.client import Client
from tests import realserver
from tests.bystander import Bystander
from tests.takeover import audit
from tests.takeover.audit import Log

PACE = Pace(provision_seconds=0.3, delete_seconds=0.2)
MANIFESTS = ("namespace/namespace.yaml", "rbac")


@dataclass(frozen=True)
class Ground:
    """A control plane without anybody in it.

    Attributes:
        layout: where everything is.
        bystander: looks at it.
        client: of the administrator.
        log: the audit log.
    """

    layout: Layout
    bystander: Bystander
    client: Client
    log: Log


@asynccontextmanager
async def standing() -> AsyncIterator[Ground]:
    """All of it, while the context is open."""
    async with realserver.serving(cached=True, flags=audit.flags) as layout:
        client = await realserver.connect(layout, "people")
        layout.arm.mkdir()
        cloud = waves(layout, PACE)[0][1]
        process = await Process.start(cloud.program, folder=layout.home, logs=layout.logs)
        try:
            await process.until(cloud.ready, limit_seconds=READY_SECONDS)
            bystander = Bystander(layout)
            await _allow(bystander, client)
            yield Ground(layout, bystander, client, Log(audit.path(layout)))
        finally:
            await process.stop()
            await client.close()


async def _allow(bystander: Bystander, client: Client) -> None:
    """Apply the rights that the manifests give, and let the cloud know the provisioner."""
    for each in MANIFESTS:
        path = REPO / "manifests" / each
        words = ("-k" if path.is_dir() else "-f", str(path))
        applied = await bystander.kubectl("apply", *words)
        assert applied.code == 0, applied.errors
    account = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/serviceaccounts/provisioner/token"
    wanted = {"spec": {"audiences": [FEDERATED_AUDIENCE], "expirationSeconds": 3600}}
    answer = await client.request("POST", account, body=wanted)
    assert isinstance(answer, dict)
    token_file(bystander.layout).write_text(answer["status"]["token"])


def token_file(layout: Layout) -> Path:
    """The token by which the cloud knows the provisioner."""
    return layout.run / "azure-identity-token"
