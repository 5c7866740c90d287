"""The plug-in as it is installed: what it says of a cluster, to people and to programs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.bystander import Bystander, Finished, quick_start, run, until
from tests.delivery.model import Model
from tests.delivery.overlays import MANIFESTS
from tests.delivery.terminal import Terminal

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(400)]

CRDS = ("-k", str(MANIFESTS / "crds"))
REFUSED = {
    "type": "Ready",
    "status": "False",
    "reason": "QuotaExceeded",
    "message": "ask for more",
    "lastTransitionTime": "2026-01-02T03:04:05Z",
    "observedGeneration": 1,
}


async def done(server: Bystander, *words: str, stdin: str = "") -> None:
    """Have kubectl do something."""
    finished = await server.kubectl(*words, stdin=stdin)
    assert finished.code == 0, finished.errors


async def asked(programs: Path, server: Bystander, *words: str) -> Finished:
    """What `kubectl kaito` says; kubectl finds the plug-in on PATH."""
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "KUBECONFIG": str(server.layout.admin_kubeconfig),
    }
    kubectl = str(server.layout.binaries / "kubectl")
    return await run(kubectl, "kaito", *words, environment=environment)


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def defined(empty: Bystander) -> AsyncIterator[Bystander]:
    """The server, with our Kind in it and two Workspaces that nobody looks at."""
    await done(empty, "apply", *CRDS)
    await until("the Kind to be served", lambda: empty.get("/apis/kaito.sh/v1alpha1"))
    for name in ("phi-3", "falcon"):
        await done(empty, "apply", "-f", "-", stdin=quick_start(name))
    yield empty
    for things in (("workspaces", "--all"), CRDS):
        await done(empty, "delete", *things)


async def test_a_server_that_does_not_know_our_kind_says_so(
    programs: Path, empty: Bystander
) -> None:
    before = await asked(programs, empty, "status", "phi")

    assert (before.code, before.errors) == (
        3,
        "the API server knows no Workspaces: install KAITO (docs/guides)\n",
    )


async def test_a_wrong_name_is_told_from_a_workspace_that_nobody_looks_at(
    programs: Path, defined: Bystander
) -> None:
    none = await asked(programs, defined, "status", "phi", "--namespace", "kube-system")
    other = await asked(programs, defined, "status", "phi")
    nobody = await asked(programs, defined, "status", "phi-3")

    assert (none.code, "there is none" in none.errors) == (2, True)
    assert "there are phi-3, falcon: --namespace names another" in other.errors
    assert (nobody.code, "no controller has looked at it yet" in nobody.output) == (1, True)


async def test_programs_are_answered_in_json(programs: Path, defined: Bystander) -> None:
    await told(defined, "phi-3")

    status = await asked(programs, defined, "status", "phi-3", "-o", "json")
    why = await asked(programs, defined, "why", "phi-3", "-o", "json")

    assert (status.code, why.code) == (1, 1)
    assert "phi-3" in json.dumps(json.loads(status.output))
    assert "QuotaExceeded" in json.dumps(json.loads(why.output))
    assert "\x1b" not in status.output + why.output


async def told(server: Bystander, name: str) -> None:
    """Say in a Workspace's status that there is no quota, as its controller would."""
    patch = json.dumps({"status": {"observedGeneration": 1, "conditions": [REFUSED]}})
    words = ("patch", "workspace", name, "--subresource=status", "--type=merge", "--patch", patch)
    await done(server, *words)


async def test_a_live_view_changes_in_place_and_ends_with_ctrl_c(
    programs: Path, defined: Bystander
) -> None:
    config = ("--kubeconfig", str(defined.layout.admin_kubeconfig))
    program = str(programs / "kubectl-kaito")

    async with Terminal.running(program, "status", "falcon", "--watch", *config) as terminal:
        await until("the first view", lambda: terminal.shows("no controller has looked"))
        await told(defined, "falcon")
        await until("the second view", lambda: terminal.shows("ask for more"))
        terminal.process.send_signal(signal.SIGINT)
        code = await terminal.process.wait()

    first, *others = terminal.text.split("\x1b[H\x1b[J")
    assert (code, first) == (0, "")
    assert len(others) > 1
    assert "no controller has looked" not in others[-1]


async def test_an_answer_is_shown_while_the_model_still_speaks(programs: Path) -> None:
    async with Model.speaking("Kubernetes ", "is a ship.") as model:
        process = await asyncio.create_subprocess_exec(
            str(programs / "kubectl-kaito"),
            *("chat", "phi-3", "What is it?", "--kubeconfig", str(model.kubeconfig)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        first = await process.stdout.readexactly(len("Kubernetes "))
        held = not model.ended
        model.go_on.set()
        rest = await process.stdout.read()

    assert (first, held) == (b"Kubernetes ", True)
    assert (rest, await process.wait()) == (b"is a ship.\n", 0)
    assert model.questions == ["What is it?"]


async def test_the_catalogue_comes_with_the_package(programs: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        str(programs / "kubectl-kaito"), "models", cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    presets = {path.stem for path in (MANIFESTS.parent / "presets" / "models").glob("*.yaml")}

    assert process.returncode == 0
    assert {line.split()[0] for line in output.decode().splitlines()[1:]} == presets
