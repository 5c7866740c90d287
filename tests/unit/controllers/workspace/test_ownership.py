"""Whose an object is: strangers' things are left alone, and nothing of ours is left behind."""

from __future__ import annotations

import pytest
from aiohttp import web

from kaito.api.labels import WORKSPACE_NAMESPACE
from kaito.api.machine import MACHINES
from kaito.kube.errors import Conflict
from kaito.kube.kinds import DEPLOYMENTS
from kaito.kube.objects import Condition
from tests.unit.controllers.workspace.bench import (
    CLAIMS,
    DEPLOYMENT,
    POD,
    SERVICE,
    WORKSPACE,
    Bench,
)
from tests.unit.controllers.workspace.worlds import pod_on
from tests.unit.kube.apiserver import refusal


def claims(bench: Bench) -> list[str]:
    return [path for path in bench.api.objects if path.startswith(f"{CLAIMS}/")]


async def test_o2_nodes_of_a_workspace_that_is_gone_are_given_back(bench: Bench) -> None:
    await bench.come_up()
    bench.api.remove(WORKSPACE)

    await bench.reconcile()

    assert claims(bench) == []


async def test_nodes_of_a_namesake_of_old_are_given_back(bench: Bench) -> None:
    bench.put_workspace()
    await bench.settle()
    (old,) = claims(bench)
    bench.change_metadata(WORKSPACE, uid="another", finalizers=[])

    await bench.settle()

    assert old not in claims(bench)
    assert len(claims(bench)) == 1


async def test_a_namesake_s_node_that_is_on_its_way_out_is_not_waited_for(bench: Bench) -> None:
    bench.put_workspace()
    await bench.settle()
    (old,) = claims(bench)
    bench.mark_deleted(old)
    bench.change_metadata(WORKSPACE, uid="another", finalizers=[])

    await bench.settle()

    assert old in claims(bench)
    assert len(claims(bench)) == 2


async def test_a_claim_that_nobody_of_us_made_is_left_alone(bench: Bench) -> None:
    labels = {"kaito.sh/workspace": "w", "kaito.sh/workspacenamespace": "default"}
    bench.api.put(f"{CLAIMS}/hand-made", metadata={"name": "hand-made", "labels": labels})

    await bench.reconcile()

    assert claims(bench) == [f"{CLAIMS}/hand-made"]
    assert bench.api.seen == []


async def test_o1_a_stranger_s_service_is_neither_changed_nor_adopted(bench: Bench) -> None:
    metadata = {"name": "w", "namespace": "default", "uid": "theirs"}
    bench.api.put(SERVICE, metadata=metadata, spec={})
    before = dict(bench.stored(SERVICE))
    bench.put_workspace()

    await bench.settle()

    assert bench.stored(SERVICE) == before
    (ready,) = [one for one in bench.workspace.status.conditions if one.type == "Ready"]
    assert (ready.status, ready.reason) == ("False", "NameTaken")
    assert "Service w exists and belongs to somebody else" in ready.message
    assert claims(bench) == [], "it is told before a node is bought"


async def test_once_a_stranger_s_service_is_gone_a_node_is_bought(bench: Bench) -> None:
    bench.api.put(SERVICE, metadata={"name": "w", "namespace": "default", "uid": "theirs"})
    bench.put_workspace()
    await bench.settle()
    bench.api.remove(SERVICE)

    await bench.settle()

    assert len(claims(bench)) == 1


async def test_a_service_of_a_namesake_of_old_is_no_stranger_s(bench: Bench) -> None:
    labels = {"kaito.sh/workspace": "w"}
    metadata = {"name": "w", "namespace": "default", "uid": "of-old", "labels": labels}
    bench.api.put(SERVICE, metadata=metadata)
    bench.put_workspace()

    await bench.settle()

    assert len(claims(bench)) == 1


async def test_a_deployment_that_somebody_scales_down_is_mended_and_not_called_ready(
    bench: Bench,
) -> None:
    await bench.come_up()
    spec = {**bench.stored(DEPLOYMENT)["spec"], "replicas": 0}
    counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), 0)
    bench.api.put(DEPLOYMENT, spec=spec, status=counts)

    await bench.reconcile()

    assert bench.stored(DEPLOYMENT)["spec"]["replicas"] == 1
    (ready,) = [one for one in bench.workspace.status.conditions if one.type == "Ready"]
    assert ready.status == "False"


def strip(bench: Bench, path: str, label: str = "kaito.sh/workspace") -> str:
    """Somebody takes a label off, by default that by which caches find an object."""
    left = dict(bench.stored(path)["metadata"]["labels"])
    value = str(left.pop(label))
    bench.change_metadata(path, labels=left)
    return value


def bring_pod(bench: Bench) -> None:
    """The Deployment's pod runs on the node that was bought."""
    wire = pod_on("n1", labels={"kaito.sh/workspace": "w"}).model_dump(by_alias=True, mode="json")
    bench.api.put(POD, metadata={**wire["metadata"], "name": "p"}, spec=wire["spec"])


def ready(bench: Bench) -> Condition:
    (found,) = [one for one in bench.workspace.status.conditions if one.type == "Ready"]
    return found


async def test_a_workload_that_has_lost_its_label_is_given_it_back(bench: Bench) -> None:
    await bench.come_up()
    labels, uid = (bench.stored(DEPLOYMENT)["metadata"][key] for key in ("labels", "uid"))
    strip(bench, DEPLOYMENT)

    await bench.reconcile(without=DEPLOYMENTS)

    assert bench.stored(DEPLOYMENT)["metadata"]["labels"] == labels
    assert bench.stored(DEPLOYMENT)["metadata"]["uid"] == uid
    await bench.settle()
    assert ready(bench).status == "True"


async def test_a_workload_whose_label_a_webhook_takes_off_again_is_told(bench: Bench) -> None:
    await bench.come_up()
    strip(bench, DEPLOYMENT)

    async def stripped(_: web.Request) -> web.StreamResponse:
        return web.json_response(bench.stored(DEPLOYMENT))

    bench.api.instead.extend((refusal(409, "AlreadyExists"), stripped, stripped))

    again = (await bench.reconcile(without=DEPLOYMENTS)).recheck_seconds

    assert (ready(bench).reason, again) == ("LabelsLost", 60)
    assert "kaito.sh/workspace=w" in ready(bench).message


@pytest.mark.parametrize(
    ("label", "seconds"),
    [("kaito.sh/workspace", 60), ("kaito.sh/workspace-uid", None)],
    ids=["no cache has it", "a cache has it"],
)
async def test_a_claim_that_has_lost_its_label_is_told_with_what_puts_it_back(
    bench: Bench, label: str, seconds: float | None
) -> None:
    bench.put_workspace()
    await bench.settle()
    (claim,) = claims(bench)
    value = strip(bench, claim, label)

    again = (await bench.reconcile()).recheck_seconds

    assert (ready(bench).reason, again) == ("LabelsLost", seconds)
    name = claim.rpartition("/")[2]
    command = f"kubectl label --overwrite machines.karpenter.sh {name} {label}={value}"
    assert command in ready(bench).message
    assert claims(bench) == [claim]


async def test_a_claim_that_has_lost_its_label_goes_with_its_workspace(bench: Bench) -> None:
    await bench.come_up()
    (claim,) = claims(bench)
    strip(bench, claim)
    bench.mark_deleted(WORKSPACE)
    bench.api.remove(DEPLOYMENT)

    with pytest.raises(Conflict, match="still exists") as found:
        await bench.reconcile()

    assert found.value.retry_after_seconds == 10, "no cache tells when a pool is gone"
    assert claims(bench) == []
    await bench.settle()
    assert WORKSPACE not in bench.api.objects


async def test_a_claim_that_says_no_more_whose_it_is_goes_with_its_workspace(bench: Bench) -> None:
    await bench.come_up()
    (claim,) = claims(bench)
    strip(bench, claim, "kaito.sh/workspace-uid")
    bench.change_metadata(claim, finalizers=["karpenter.sh/termination"])
    bench.mark_deleted(WORKSPACE)
    bench.api.remove(DEPLOYMENT)

    await bench.settle()

    assert "deletionTimestamp" in bench.stored(claim)["metadata"]
    assert WORKSPACE in bench.api.objects
    bench.api.remove(claim)
    await bench.settle()
    assert WORKSPACE not in bench.api.objects


async def test_a_claim_that_says_no_more_whose_it_is_goes_after_its_workspace(bench: Bench) -> None:
    await bench.come_up()
    (claim,) = claims(bench)
    strip(bench, claim, "kaito.sh/workspace-uid")
    bench.api.remove(WORKSPACE)

    await bench.reconcile()

    assert claims(bench) == []


async def test_a_claim_that_somebody_else_made_under_our_labels_is_left_alone(bench: Bench) -> None:
    path, ours = f"{CLAIMS}/theirs", {"kaito.sh/workspace": "w", WORKSPACE_NAMESPACE: "default"}
    bench.api.put(path, metadata={"name": "theirs", "labels": ours})

    await bench.reconcile()

    assert claims(bench) == [path]


async def test_a_workload_that_has_lost_its_label_goes_with_its_workspace(bench: Bench) -> None:
    await bench.come_up()
    bring_pod(bench)
    strip(bench, DEPLOYMENT)
    bench.mark_deleted(WORKSPACE)

    again = (await bench.reconcile(without=DEPLOYMENTS)).recheck_seconds

    assert DEPLOYMENT not in bench.api.objects
    assert again == 10
    assert ready(bench).message == "waiting for the pods to end"
    bench.api.remove(POD)
    await bench.settle()
    assert WORKSPACE not in bench.api.objects


async def test_a_stranger_s_workload_stays_where_pods_are_waited_for(bench: Bench) -> None:
    await bench.come_up()
    bring_pod(bench)
    bench.change_metadata(DEPLOYMENT, ownerReferences=[])
    bench.mark_deleted(WORKSPACE)

    await bench.reconcile()

    assert DEPLOYMENT in bench.api.objects


async def test_nothing_is_looked_for_where_pods_are_ending(bench: Bench) -> None:
    await bench.come_up()
    bring_pod(bench)
    bench.api.remove(DEPLOYMENT)
    bench.mark_deleted(POD)
    bench.mark_deleted(WORKSPACE)

    await bench.reconcile()

    assert bench.sent("GET", DEPLOYMENT) == []
    assert ready(bench).message == "waiting for the pods to end"


async def test_a_claim_that_a_cache_is_yet_to_hear_of_is_left_to_it(bench: Bench) -> None:
    await bench.come_up()
    bench.mark_deleted(WORKSPACE)
    bench.api.remove(DEPLOYMENT)

    with pytest.raises(Conflict, match="still exists") as found:
        await bench.reconcile(without=MACHINES)

    assert found.value.retry_after_seconds is None, "a cache is about to hear of it"
    assert bench.sent("DELETE", CLAIMS) == []


async def test_a_service_of_ours_that_has_lost_its_label_holds_nothing_up_and_gets_it_back(
    bench: Bench,
) -> None:
    await bench.come_up()
    bench.api.remove(DEPLOYMENT)
    labels = bench.stored(SERVICE)["metadata"]["labels"]
    strip(bench, SERVICE)

    await bench.settle()

    assert DEPLOYMENT in bench.api.objects
    assert bench.stored(SERVICE)["metadata"]["labels"] == labels
    assert ready(bench).reason != "NameTaken"
