"""The provisioner without KAITO: claims that people write become nodes, and are given back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from tests.bystander import Bystander, Json, condition, holds, until
from tests.claims import KINDS, MACHINE, NODE_CLAIM, VM_SIZE, Kind, manifest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

FINALIZER = "karpenter.sh/termination"
NAMES: Mapping[Kind, str] = {MACHINE: "byhand", NODE_CLAIM: "byhandtoo"}
STRANGERS: Mapping[Kind, str] = {MACHINE: "unlabelled", NODE_CLAIM: "elsewhere"}

both_kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(cluster: Bystander) -> AsyncIterator[Bystander]:
    """The cluster with the provisioner as the only controller of ours, and four claims."""
    scale = ("scale", "deployment", "kaito", "--namespace=kaito-system", "--replicas=0")
    assert (await cluster.kubectl(*scale)).code == 0
    pods = "/api/v1/namespaces/kaito-system/pods"

    async def is_alone() -> bool:
        names = [each["metadata"]["name"] for each in await cluster.items(pods)]
        return len(names) == 1 and names[0].startswith("provisioner-")

    await until("kaito to be gone", is_alone)
    ours = [kind.claim(NAMES[kind]) for kind in KINDS]
    applied = await cluster.kubectl("apply", "-f", "-", stdin=manifest(*ours, *strangers()))
    assert applied.code == 0, applied.errors
    yield cluster


def strangers() -> list[Json]:
    """A Machine without our labels, and a NodeClaim of another Karpenter's class."""
    machine: Json = dict(MACHINE.claim(STRANGERS[MACHINE]))
    machine["metadata"] = {"name": STRANGERS[MACHINE], "labels": {"team": "other"}}
    theirs = {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"}
    return [machine, NODE_CLAIM.claim(STRANGERS[NODE_CLAIM], nodeClassRef=theirs)]


async def stored(cluster: Bystander, kind: Kind, name: str) -> Json:
    return await cluster.get(f"{kind.path}/{name}")


async def requests(cluster: Bystander, method: str, pool: str) -> list[int]:
    """Statuses that ARM answered to requests of a method about a pool."""
    journal = await cluster.journal()
    return [each["status"] for each in journal if (each["method"], each["pool"]) == (method, pool)]


@both_kinds
async def test_a_claim_becomes_ready(alone: Bystander, kind: Kind) -> None:
    async def ready() -> Json:
        found = await stored(alone, kind, NAMES[kind])
        return found if holds(found, "Ready") else None

    claim = await until("the claim to be Ready", ready)

    wanted = {*map(kind.condition, ("Launched", "Registered", "Initialized")), "Ready"}
    assert {each["type"] for each in claim["status"]["conditions"]} == wanted
    assert all(each["status"] == "True" for each in claim["status"]["conditions"])
    assert FINALIZER in claim["metadata"]["finalizers"]
    assert await requests(alone, "PUT", NAMES[kind]) == [201]


@both_kinds
async def test_its_status_describes_its_node(alone: Bystander, kind: Kind) -> None:
    status = (await stored(alone, kind, NAMES[kind]))["status"]

    node = await alone.get(f"/api/v1/nodes/{status['nodeName']}")
    assert status["providerID"] == node["spec"]["providerID"]
    assert status["capacity"] == node["status"]["capacity"]
    assert status["allocatable"]["nvidia.com/gpu"] == "1"
    assert node["metadata"]["labels"]["agentpool"] == NAMES[kind]
    assert node["metadata"]["labels"]["kaito.sh/workspace"] == f"of-{NAMES[kind]}"
    assert node["metadata"]["labels"]["karpenter.sh/initialized"] == "true"


async def test_each_kind_has_conditions_of_its_own_shape(alone: Bystander) -> None:
    machine = condition(await stored(alone, MACHINE, NAMES[MACHINE]), "MachineLaunched")
    node_claim = condition(await stored(alone, NODE_CLAIM, NAMES[NODE_CLAIM]), "Launched")

    assert "observedGeneration" not in machine
    assert node_claim["observedGeneration"] == 1


@both_kinds
async def test_kubectl_prints_what_users_of_karpenter_know(alone: Bystander, kind: Kind) -> None:
    printed = await alone.kubectl("get", f"{kind.name.lower()}s.karpenter.sh", NAMES[kind])

    header, row = (line.split() for line in printed.output.splitlines())
    node = (await stored(alone, kind, NAMES[kind]))["status"]["nodeName"]
    assert {"NAME", "TYPE", "NODE", "READY", "AGE"} <= set(header)
    assert [row[0], row[1]] == [NAMES[kind], VM_SIZE]
    assert node in row
    assert "True" in row


@both_kinds
async def test_a_deleted_claim_is_given_back(alone: Bystander, kind: Kind) -> None:
    node = (await stored(alone, kind, NAMES[kind]))["status"]["nodeName"]

    deleted = await alone.kubectl(
        "delete", f"{kind.name.lower()}s.karpenter.sh", NAMES[kind], "--timeout=180s"
    )

    assert deleted.code == 0, deleted.errors
    assert await stored(alone, kind, NAMES[kind]) is None
    assert await alone.get(f"/api/v1/nodes/{node}") is None
    assert NAMES[kind] not in [pool["pool"] for pool in await alone.pools()]
    assert await requests(alone, "PUT", NAMES[kind]) == [201]
    assert await requests(alone, "DELETE", NAMES[kind]) == [202]


@both_kinds
async def test_a_claim_of_somebody_else_is_never_touched(alone: Bystander, kind: Kind) -> None:
    claim = await stored(alone, kind, STRANGERS[kind])

    writers = {each["manager"] for each in claim["metadata"]["managedFields"]}
    assert writers == {"kubectl-client-side-apply"}
    assert "finalizers" not in claim["metadata"]
    assert "status" not in claim
    assert [each for each in await alone.journal() if each["pool"] == STRANGERS[kind]] == []
