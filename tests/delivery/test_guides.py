"""A reader's way through the pages: their commands, in order, on one local cluster."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from hack.cluster import datasets
from hack.cluster.cache import cache_folder
from hack.cluster.state import fresh_home
from tests.bystander import NAMESPACE, WORKSPACE, Bystander, Json, holds, run, until
from tests.delivery.installation import BEGINS, PAGE
from tests.delivery.overlays import INSTALLED_BY, filling, installing
from tests.delivery.pages import ROOT, Block, Typist, block, blocks, sample
from tests.delivery.traces import Traces, kinds, left, named, traces

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

README = "README.md"
GUIDES = "docs/guides"
INSTALL = f"{GUIDES}/aks.md"
FIRST, LAST = f"{GUIDES}/first-model.md", f"{GUIDES}/uninstall.md"
PLAY, SEEN = "hack/local up", "kubectl apply"

ELSEWHERE = {
    "az": "needs an Azure subscription; tests/azurecli has the Azure CLI read it",
    "oras": "is not installed here; tests/behaviour/test_adapters pushes such an artifact",
    "hack/demo": "is run by tests/behaviour/test_demo",
    "docker": "is not installed here; tests/image has buildah carry the same Dockerfiles out",
    "hack/image": "is run by tests/image, against a registry on this machine",
    "buildah": "signs in to a registry of one's own; tests/image pushes to one on this machine",
    "cosign": "is not installed here, and there is no published image to sign",
    "digest_of()": "reads what buildah has pushed",
    "python": "tests/serving runs such a server, and tests/behaviour the program for artifacts",
}
"""Programs that no block here is run for, and why."""


NEIGHBOURS = """\
kubectl create namespace monitoring
kubectl create namespace argocd
kubectl create configmap argocd-cm --namespace argocd --from-literal admin.enabled=false
"""
"""What the pages take for granted: where Prometheus and Argo CD are."""


@dataclass(frozen=True)
class Seen:
    """What there is after some commands.

    Attributes:
        text: the commands.
        reader: who has typed them.
        cluster: seen from outside.
        output: what they printed.
    """

    text: str
    reader: Typist
    cluster: Bystander
    output: str


Check = Callable[[Seen], Awaitable[None]]


async def is_said(seen: Seen) -> None:
    """The commands have printed something."""
    assert seen.output.strip()


async def is_listed(seen: Seen) -> None:
    """The Workspace's row names the image that its pods run."""
    (row,) = (each for each in seen.output.splitlines() if each.startswith(f"{WORKSPACE} "))

    assert "kaito-phi-3-mini-4k-instruct:" in row


async def is_as_shown(seen: Seen) -> None:
    """The columns are the README's, True where it has that, and the model has answered."""
    page = (ROOT / README).read_text().splitlines()
    (head,) = (number for number, each in enumerate(page) if each.startswith("NAME "))
    columns, shown = (each.split() for each in page[head : head + 2])
    _, printed, values, answer = seen.output.splitlines()

    assert printed.split() == columns
    assert values.split()[:-1] == shown[:-1]
    assert json.loads(answer)["Result"]


async def is_followed(seen: Seen) -> None:
    """One id has found the request for a node in one log, and what became of it in the other."""
    lines = [json.loads(line) for line in seen.output.splitlines()]
    asked = [each for each in lines if "created_by" not in each]
    done = [each for each in lines if "created_by" in each]

    assert [(each["event"], each["target"]) for each in asked] == [("object.created", "Machine")]
    assert {each["created_by"] for each in done} == {asked[0]["reconcile"]}
    assert {"instance.launched", "node.registered", "claim.readied"} <= {
        each["event"] for each in done
    }


async def is_allowed(seen: Seen) -> None:
    """Prometheus may read the metrics, as the last line asked."""
    assert seen.output.splitlines()[-1] == "yes"


async def is_shared(seen: Seen) -> None:
    """Who may edit or administer makes Workspaces, who may view reads them; in that namespace."""
    edit = block(INSTALL, "kubectl create rolebinding").text
    for role, user in {"view": "john", "admin": "joan"}.items():
        words = edit.replace("=edit", f"={role}").replace("jane", user)
        given = await seen.reader.type(words.replace("models", f"models-{role}"))
        assert given.code == 0, given.errors

    async def may(user: str, verb: str, namespace: str) -> bool:
        words = ("auth", "can-i", verb, "workspaces", f"--as={user}", f"--namespace={namespace}")
        return (await seen.cluster.kubectl(*words)).output == "yes\n"

    for user, verb in {"jane": "create", "joan": "create", "john": "list"}.items():
        # The binding is known to the authorizer a moment after it is made.
        assert await until(f"{user} to {verb}", partial(may, user, verb, NAMESPACE))
    for user in ("jane", "joan"):
        assert await may(user, "deletecollection", NAMESPACE)
        assert not await may(user, "create", "kube-system")
    assert not await may("john", "create", NAMESPACE)
    taken = ("delete", "rolebinding", "models-view", "models-admin", f"--namespace={NAMESPACE}")
    assert (await seen.cluster.kubectl(*taken)).code == 0


async def is_beside(seen: Seen) -> None:
    """Both checks are among Argo CD's settings, and what was there before."""
    path = "/api/v1/namespaces/argocd/configmaps/argocd-cm"
    kept, *checks = sorted((await seen.cluster.get(path))["data"])

    assert kept == "admin.enabled"
    assert [each.rpartition(".health.")[2] for each in checks] == [
        "kaito.sh_Workspace",
        "karpenter.sh_Machine",
    ]


async def is_cleared(seen: Seen) -> None:
    """There is a secret, whose name another page takes."""
    gone = await seen.cluster.kubectl("delete", "secret", "myregistry")

    assert gone.code == 0, gone.errors


async def is_answering_alone(seen: Seen) -> None:
    """The Workspace is there and its model answers, and nothing of the operator is."""
    status, _ = await seen.cluster.chat({"prompt": "What is KAITO?"})

    assert status == 200
    assert await seen.cluster.get("/api/v1/namespaces/kaito-system") is None


async def is_looked_after(seen: Seen) -> None:
    """The new controller has looked at the Workspace, and found it as it was."""

    async def is_ready() -> bool:
        return holds(await seen.cluster.workspace(), "Ready")

    assert await until("the Workspace to be Ready", is_ready)
    assert len(await seen.cluster.machines()) == 1


async def is_given_back(seen: Seen) -> None:
    """No Workspace, claim or pool is left."""
    assert await seen.cluster.items("/apis/kaito.sh/v1beta1/workspaces") == []
    assert await seen.cluster.items("/apis/karpenter.sh/v1alpha5/machines") == []
    assert await seen.cluster.pools() == []


async def is_gone(seen: Seen) -> None:
    """None of our Kinds is served any more."""
    served = await kinds(seen.cluster)

    assert [each for each in served if each.endswith(("kaito.sh", "karpenter.sh"))] == []


async def is_tidied(seen: Seen) -> None:
    """Argo CD's settings are its own again; the last test here looks at everything else."""
    kept = await seen.cluster.get("/api/v1/namespaces/argocd/configmaps/argocd-cm")

    assert kept["data"] == {"admin.enabled": "false"}


async def is_leading(seen: Seen) -> None:
    """The overlay's controller holds its lease, and renews it; then it is uninstalled."""

    async def is_renewed() -> bool:
        path = "/apis/coordination.k8s.io/v1/namespaces/kaito-system/leases/kaito"
        spec: Json = (await seen.cluster.get(path) or {}).get("spec", {})
        return bool(spec.get("holderIdentity")) and spec["renewTime"] != spec["acquireTime"]

    assert await until("a leader that goes on", is_renewed)
    (overlay,) = re.findall(r"overlays/\w+", seen.text)
    gone = block(LAST, "kubectl delete -k manifests/overlays/aks\n").text
    removed = await seen.reader.type(gone.replace("overlays/aks", overlay))
    assert removed.code == 0, removed.errors


@dataclass(frozen=True)
class Step:
    """A block of a page, and what must be so afterwards."""

    page: str
    begins: str
    check: Check = is_said

    @property
    def block(self) -> Block:
        """The block."""
        return block(self.page, self.begins)


STORY = (
    Step(INSTALL, "kubectl apply -k"),
    Step(INSTALL, "kubectl create rolebinding", is_shared),
    Step(INSTALL, "kubectl label namespace"),
    Step("docs/reference/metrics.md", "kubectl create clusterrolebinding", is_allowed),
    Step("manifests/argocd/README.md", "health=", is_beside),
    Step(FIRST, "kubectl apply"),
    Step(FIRST, "kubectl kaito status"),
    Step(FIRST, "kubectl kaito why"),
    Step(FIRST, "kubectl kaito chat"),
    Step(FIRST, "kubectl get service"),
    Step(README, SEEN, is_as_shown),
    Step("docs/reference/events.md", "claims=", is_followed),
    Step(f"{GUIDES}/upgrades.md", "kubectl diff", is_listed),
    Step(LAST, "kubectl delete -k manifests/overlays/aks --selector", is_answering_alone),
    Step(f"{GUIDES}/upgrades.md", "kubectl apply", is_looked_after),
    Step(FIRST, "kubectl delete", is_given_back),
    Step(FIRST, "kubectl kaito fit"),
    Step(f"{GUIDES}/adapters.md", "kubectl create secret", is_cleared),
    Step(f"{GUIDES}/tuning.md", "kubectl create secret"),
    Step(LAST, "kubectl delete workspaces", is_given_back),
    Step(LAST, "kubectl delete -k manifests/overlays/aks\n", is_gone),
    Step(LAST, "kubectl delete clusterrolebinding", is_tidied),
    Step(f"{GUIDES}/own-nodes.md", "kubectl apply -k manifests/overlays/byo", is_leading),
    Step(f"{GUIDES}/own-nodes.md", "kubectl apply -k manifests/overlays/karpenter", is_leading),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader(programs: Path) -> AsyncIterator[Typist]:
    """Who has a cluster by `hack/local up`, and takes it down in the end."""
    home = fresh_home(cache_folder() / "clusters", "test-")
    data = datasets.ensure(
        cache_folder() / "datasets", python=cache_folder() / "inference" / "bin" / "python"
    )
    with datasets.served(data.parent) as url:
        found = Typist(home, f"{url}/{datasets.TRAIN}", programs)
        try:
            came = await found.bare(f"{found.local('up')} --offline")
            assert came.code == 0, came.output + came.errors
            (home / "tuning.yaml").write_text(found.own(sample(f"{GUIDES}/tuning.md", "Workspace")))
            assert (await found.type(NEIGHBOURS)).code == 0
            yield found
        finally:
            went = await found.bare(found.local("down"))
    assert (went.code, home.exists()) == (0, False), went.output + went.errors


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def before(reader: Typist) -> Traces:
    """What was there before the first line of a page, the operator of hack/local included."""
    return await traces(Bystander(reader.layout))


@pytest.mark.usefixtures("before")
async def test_the_readme_s_lines_may_be_typed_into_one_shell(reader: Typist) -> None:
    typed = block(README, PLAY).text
    # The cluster is up already, and stays up; and nobody is there to end a watch.
    for theirs, ours in {
        f"{PLAY}\n": "",
        "hack/local shell": reader.local("shell"),
        " --watch": "",
        "hack/local down": "echo outside",
    }.items():
        assert theirs in typed
        typed = typed.replace(theirs, ours)

    shell = {"SHELL": "/bin/bash", "PATH": os.environ["PATH"]}
    done = await run("bash", stdin=typed, environment=shell)

    assert done.code == 0, done.errors
    assert f"workspace.kaito.sh/{WORKSPACE} created" in done.output
    assert f"Workspace {NAMESPACE}/{WORKSPACE}" in done.output
    assert done.output.endswith("outside\n")


@pytest.mark.parametrize("step", STORY, ids=lambda step: f"{step.page}: {step.begins.strip()}")
@pytest.mark.usefixtures("before")
async def test_a_block_does_what_its_page_says(reader: Typist, step: Step) -> None:
    text = step.block.text
    # The first model is still on its way, or something differs: these say so by their exit code.
    telling = r"^(kubectl (kaito (status|why)|diff).*)$"
    text = re.sub(telling, r"\1 || test $? = 1", text, flags=re.M)
    if "$CLUSTERIP" in text:
        text = f"CLUSTERIP={await Bystander(reader.layout).cluster_ip()}\n{text}"

    done = await reader.type(text)

    assert done.code == 0, done.errors + done.output
    await step.check(Seen(text, reader, Bystander(reader.layout), done.output))


async def test_in_the_end_nothing_is_there_that_was_not(reader: Typist, before: Traces) -> None:
    overlay = await reader.type("kubectl kustomize manifests/overlays/aks")
    assert overlay.code == 0, overlay.errors
    gone = named(before, overlay.output)

    async def found() -> Traces:
        return left(before, await traces(Bystander(reader.layout)), gone)

    async def is_bare() -> bool:
        return not await found()

    with suppress(AssertionError):
        # What the API server serves for a definition goes a moment after it.
        await until("nothing to be left", is_bare, limit_seconds=30)
    assert await found() == {}


async def test_blocks_are_typed_in_the_order_of_their_page() -> None:
    written = list(blocks())
    for page in {step.page for step in STORY}:
        typed = [written.index(step.block) for step in STORY if step.page == page]

        assert typed == sorted(typed), page


async def test_every_block_is_run_here_or_cannot_be() -> None:
    here = {step.block for step in STORY} | {block(README, PLAY), block(PAGE, BEGINS)}
    # Of each overlay as it is; here the reader's own stands for the one for AKS.
    here |= {installing(overlay) for overlay in INSTALLED_BY} | {filling()}
    others = [each for each in blocks() if each not in here]

    assert [(each.page, each.text) for each in others if each.program not in ELSEWHERE] == []
    assert {each.program for each in others} == set(ELSEWHERE)
