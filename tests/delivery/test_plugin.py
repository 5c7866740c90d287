"""What the plug-in says of a cluster that lacks what is asked for."""

from __future__ import annotations

import sys

import pytest

from tests.bystander import Bystander, Finished, quick_start, run
from tests.delivery.test_overlays import MANIFESTS

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(400)]


async def status(server: Bystander, name: str, *words: str) -> Finished:
    """Ask about one Workspace."""
    config = ("--kubeconfig", str(server.layout.admin_kubeconfig))
    return await run(sys.executable, "-m", "kaito", "status", name, *config, *words)


async def test_a_cluster_without_our_kinds_is_told_from_a_wrong_name(empty: Bystander) -> None:
    before = await status(empty, "phi")
    crds = ("-k", str(MANIFESTS / "crds"))
    established = ("wait", "crd/workspaces.kaito.sh", "--for=condition=Established")
    for words in (("apply", *crds), established):
        done = await empty.kubectl(*words)
        assert done.code == 0, done.errors
    none = await status(empty, "phi")
    for name in ("phi-3", "falcon"):
        done = await empty.kubectl("apply", "-f", "-", stdin=quick_start(name))
        assert done.code == 0, done.errors
    other = await status(empty, "phi")
    nobody = await status(empty, "phi-3")
    for things in (("workspaces", "--all"), crds):
        gone = await empty.kubectl("delete", *things)
        assert gone.code == 0, gone.errors

    assert (before.code, before.errors) == (
        3,
        "the API server knows no Workspaces: install KAITO (docs/guides)\n",
    )
    assert (none.code, "there is none" in none.errors) == (2, True)
    assert "there are phi-3, falcon: --namespace names another" in other.errors
    assert (nobody.code, "no controller has looked at it yet" in nobody.output) == (1, True)
