"""A cluster with Flux on it: its CRDs, its process, and an audit log that knows all three of us."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import yaml

from hack.cluster import audit
from hack.cluster.cache import cache_folder
from hack.cluster.flux import flux
from hack.cluster.layout import Layout
from hack.cluster.overlay import overlay
from hack.cluster.pki import Authority, Party, write_kubeconfig
from hack.cluster.process import Process, Program
from hack.cluster.session import running
from hack.cluster.state import fresh_home
from tests import realserver
from tests.bystander import Bystander, until
from tests.conftest import PACE
from tests.flux.repository import NAMESPACE, Tree

FLUX = "flux"
"""Its user: cluster administrator, as Flux installs itself."""
ADMINISTRATORS = "system:masters"
OPERATOR = "infrastructure/kaito"
"""Folder of the operator's kustomization in the repository of the guide."""


GATE = "--feature-gates=CancelHealthCheckOnNewRevision=true"
"""What the guide has Flux started with where it waits long."""


@asynccontextmanager
async def flux_cluster() -> AsyncIterator[Bystander]:
    """A cluster with the operator and Flux as it comes, while the context is open."""
    home = fresh_home(cache_folder() / "clusters", "test-")
    with _audited():
        async with running(home=home, pace=PACE) as layout, _flux_on(layout) as cluster:
            yield cluster


@asynccontextmanager
async def flux_server() -> AsyncIterator[Bystander]:
    """An API server with our Kinds, nobody who looks after them, and Flux as the guide has it."""
    async with realserver.serving(cached=True) as layout, _flux_on(layout, GATE) as cluster:
        yield cluster


@asynccontextmanager
async def _flux_on(layout: Layout, *flags: str) -> AsyncIterator[Bystander]:
    built = flux(cache_folder(), offline=True, report=lambda _line: None)
    cluster = Bystander(layout)
    await _install(cluster, built.definitions)
    process = await _started(layout, built.program, flags)
    try:
        yield cluster
    finally:
        await process.stop()


@contextmanager
def _audited() -> Iterator[None]:
    """Have the audit log of the cluster tell of Flux as well."""
    usual = audit.write_policy

    def with_flux(layout: Layout) -> None:
        usual(layout)
        policy = json.loads(audit.policy(layout).read_text())
        policy["rules"][0]["users"].append(FLUX)
        audit.policy(layout).write_text(json.dumps(policy))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "write_policy", with_flux)
        yield


async def _install(cluster: Bystander, definitions: Path) -> None:
    made = await cluster.kubectl("create", "namespace", NAMESPACE)
    assert made.code == 0, made.errors
    applied = await cluster.kubectl("apply", "--server-side", "-f", str(definitions))
    assert applied.code == 0, applied.errors

    async def served() -> bool:
        waited = await cluster.kubectl(
            *("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
        )
        return waited.code == 0

    await until("the Kinds of Flux", served)


async def _started(layout: Layout, program: Path, more: tuple[str, ...]) -> Process:
    """The controller, under a certificate of its own."""
    authority = Authority.load(layout.ca_certificate, layout.ca_key)
    authority.issue(Party(FLUX, FLUX, ADMINISTRATORS), layout.pki)
    kubeconfig = write_kubeconfig(layout, FLUX)
    scratch = layout.run / FLUX
    scratch.mkdir()
    environment = {
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "KUBECONFIG": str(kubeconfig),
        "RUNTIME_NAMESPACE": NAMESPACE,
        "PATH": "/usr/bin:/bin",
    }
    # It looks again at what it depends on every 30 s, which is not what is tried here.
    flags = ("--metrics-addr=0", "--health-addr=0", "--events-addr=", "--requeue-dependency=1s")
    return await Process.start(
        Program(FLUX, (str(program), *flags, *more), environment),
        folder=layout.home,
        logs=layout.logs,
    )


def operator_files(layout: Layout) -> Tree:
    """The manifests, and the local overlay with this cluster's values in the guide's folder."""
    manifests = layout.repo / "manifests"
    files = {
        str(path.relative_to(layout.repo)): path.read_bytes()
        for path in manifests.rglob("*")
        if path.is_file()
    }
    own = overlay(layout)
    content = yaml.safe_load((own / "kustomization.yaml").read_text())
    content["resources"] = ["../../manifests/overlays/local"]
    files |= {f"{OPERATOR}/{path.name}": path.read_bytes() for path in own.iterdir()}
    files[f"{OPERATOR}/kustomization.yaml"] = yaml.safe_dump(content).encode()
    return files
