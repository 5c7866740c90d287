"""The loop body over real HTTP: from a spec to a model that answers, and back to nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from kaito.api.machine import MACHINES
from kaito.api.workspace import WORKSPACES
from kaito.kube.errors import Conflict
from kaito.kube.kinds import DEPLOYMENTS, SERVICES
from tests.unit.controllers.workspace.bench import (
    CLAIMS,
    DEPLOYMENT,
    NODE,
    POD,
    SERVICE,
    WORKSPACE,
    Bench,
)
from tests.unit.controllers.workspace.worlds import UID
from tests.unit.kube.apiserver import Answer, refusal

FINALIZER = "workspace.finalizer.kaito.sh"


def conditions(bench: Bench) -> dict[str, str]:
    return {one.type: one.status for one in bench.workspace.status.conditions}


async def test_a_workspace_that_is_gone_needs_nothing(bench: Bench) -> None:
    outcome = await bench.reconcile()

    assert outcome.recheck_seconds is None
    assert bench.api.seen == []


async def test_a_workspace_comes_up_step_by_step(bench: Bench) -> None:
    bench.put_workspace()
    await bench.settle()
    assert bench.stored(WORKSPACE)["metadata"]["finalizers"] == [FINALIZER]
    assert len(bench.sent("POST", CLAIMS)) == 1
    assert conditions(bench)["MachineReady"] == "False"

    bench.bring_node()
    await bench.settle()
    assert {SERVICE, DEPLOYMENT} <= set(bench.api.objects)
    assert bench.workspace.status.worker_nodes == ("n1",)
    assert conditions(bench)["InferenceReady"] == "False"

    bench.start_pods()
    await bench.settle()
    assert set(conditions(bench).values()) == {"True"}
    assert len(bench.sent("POST", CLAIMS)) == 1


async def test_a_claim_that_is_answered_at_once_costs_no_word(bench: Bench) -> None:
    bench.put_workspace()
    await bench.reconcile()
    bench.change_metadata(bench.claim_path, creationTimestamp=bench.now.isoformat())

    outcome = await bench.reconcile()
    written = bench.sent("PATCH", f"{WORKSPACE}/status")
    bench.now += timedelta(seconds=3)
    await bench.reconcile()

    assert written == []
    assert outcome.recheck_seconds == 3
    assert conditions(bench)["MachineReady"] == "False"


async def test_f1_the_finalizer_is_stored_before_a_node_is_bought(bench: Bench) -> None:
    bench.put_workspace()
    await bench.settle()

    writes = [sent for sent in bench.api.seen if sent.method != "GET"]
    finalizers = [at for at, sent in enumerate(writes) if "finalizers" in str(sent.body)]
    bought = [at for at, sent in enumerate(writes) if sent.path == CLAIMS]
    assert finalizers[0] < bought[0]


async def test_w2_a_pass_that_changes_nothing_sends_no_request(bench: Bench) -> None:
    await bench.come_up()
    bench.api.seen.clear()

    for _ in range(3):
        bench.now += timedelta(hours=1)
        await bench.reconcile()

    assert bench.api.seen == []


async def test_the_status_is_applied_with_our_fields_and_no_others(bench: Bench) -> None:
    await bench.come_up()

    sent = bench.sent("PATCH", f"{WORKSPACE}/status")
    assert sent
    for one in sent:
        body: Any = one.body
        assert one.headers["Content-Type"] == "application/apply-patch+yaml"
        assert set(body) == {"apiVersion", "kind", "metadata", "status"}
        assert set(body["metadata"]) == {"name", "namespace", "uid", "resourceVersion"}
        assert body["metadata"]["uid"] == UID
        assert set(body["status"]) == {"state", "observedGeneration", "workerNodes", "conditions"}


async def test_y6_a_status_is_written_only_over_the_version_it_was_decided_on(
    bench: Bench,
) -> None:
    bench.put_workspace()
    await bench.settle()
    bench.bring_node()
    await bench.settle()
    bench.start_pods()

    async def overtaken(_: web.Request) -> web.StreamResponse:
        # The user edits between our look and our word.
        bench.api.put(WORKSPACE, edited=True)
        code, body = bench.api.carry_out(bench.api.seen[-1])
        return web.json_response(body, status=code)

    bench.api.instead.append(overtaken)
    with pytest.raises(Conflict):
        await bench.reconcile()
    before = conditions(bench)
    await bench.settle()

    assert before["InferenceReady"] == "False"
    assert conditions(bench)["InferenceReady"] == "True"


async def test_nothing_but_finalizers_is_written_to_the_user_s_object(bench: Bench) -> None:
    await bench.come_up()

    bodies: list[Any] = [
        one.body for one in bench.sent("PATCH", WORKSPACE) if one.path == WORKSPACE
    ]
    assert [set(body) for body in bodies] == [{"metadata"}]
    assert set(bodies[0]["metadata"]) == {"uid", "resourceVersion", "finalizers"}


async def test_y1_a_stale_cache_buys_no_second_node(bench: Bench) -> None:
    await bench.come_up()

    await bench.reconcile(without=MACHINES)

    assert len([path for path in bench.api.objects if path.startswith(f"{CLAIMS}/")]) == 1


async def test_a_stale_cache_of_the_workspace_overwrites_nothing(bench: Bench) -> None:
    bench.put_workspace()
    seen = bench.workspace.metadata.resource_version
    bench.api.instead.append(_moved_on(bench))

    with pytest.raises(Conflict):
        await bench.reconcile()

    (sent,) = bench.sent("PATCH", WORKSPACE)
    body: Any = sent.body
    assert body["metadata"]["resourceVersion"] == seen
    assert bench.sent("POST", CLAIMS) == []


def _moved_on(bench: Bench) -> Answer:
    """An answer for which the user changes the object a moment before."""

    async def answer(_: web.Request) -> web.StreamResponse:
        bench.change_metadata(WORKSPACE, annotations={"a": "b"})
        code, body = bench.api.carry_out(bench.api.seen[-1])
        return web.json_response(body, status=code)

    return answer


async def test_what_someone_deletes_comes_back(bench: Bench) -> None:
    await bench.come_up()

    bench.api.remove(SERVICE)
    bench.api.remove(DEPLOYMENT)
    await bench.settle()

    assert {SERVICE, DEPLOYMENT} <= set(bench.api.objects)


async def test_a_deployment_of_an_older_release_is_brought_up_to_date(bench: Bench) -> None:
    await bench.come_up()
    wanted = bench.stored(DEPLOYMENT)["metadata"]["annotations"]
    bench.change_metadata(DEPLOYMENT, annotations={"workspace.kaito.io/hash": "old"})

    await bench.reconcile()

    assert bench.stored(DEPLOYMENT)["metadata"]["annotations"] == wanted


async def test_what_a_kubelet_says_reaches_the_user(bench: Bench) -> None:
    bench.put_workspace()
    await bench.settle()
    bench.bring_node()
    await bench.settle()
    waiting = {"reason": "ImagePullBackOff", "message": "no such tag"}
    bench.api.put(
        POD,
        metadata={
            "name": "p",
            "namespace": "default",
            "labels": {"kaito.sh/workspace": "w"},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "w-5c9", "uid": "r"}
            ],
        },
        status={"containerStatuses": [{"name": "w", "state": {"waiting": waiting}}]},
    )

    await bench.settle()

    (ready,) = [one for one in bench.workspace.status.conditions if one.type == "Ready"]
    assert ready.reason == "ImagePullError"
    assert "no such tag" in ready.message
    assert ("Warning", "ImagePullError") in bench.recorder.noted


async def test_users_hear_of_each_stage_once(bench: Bench) -> None:
    await bench.come_up()

    assert bench.recorder.noted[-1] == ("Normal", "WorkspaceReady")
    assert len(set(bench.recorder.noted)) == len(bench.recorder.noted)


async def test_deletion_gives_back_the_workload_then_the_node_then_the_name(bench: Bench) -> None:
    await bench.come_up()
    bench.mark_deleted(WORKSPACE)
    claim = bench.claim_path
    bench.api.seen.clear()

    await bench.settle()

    done = [
        sent.path if sent.method == "DELETE" else "finalizer"
        for sent in bench.api.seen
        if sent.method == "DELETE" or (sent.method == "PATCH" and sent.path == WORKSPACE)
    ]
    assert done == [DEPLOYMENT, claim, "finalizer"]
    assert WORKSPACE not in bench.api.objects


async def test_the_user_sees_that_deletion_is_under_way(bench: Bench) -> None:
    await bench.come_up()
    bench.mark_deleted(WORKSPACE)
    bench.mark_deleted(DEPLOYMENT)

    await bench.reconcile()

    assert conditions(bench)["WorkspaceDeleting"] == "True"
    assert conditions(bench)["Ready"] == "False"
    assert bench.recorder.noted[-1] == ("Normal", "WorkloadDeleting")


async def test_the_finalizer_stays_while_a_claim_takes_its_time(bench: Bench) -> None:
    await bench.come_up()
    bench.mark_deleted(WORKSPACE)
    bench.api.remove(DEPLOYMENT)
    bench.mark_deleted(bench.claim_path)

    await bench.settle()

    assert bench.stored(WORKSPACE)["metadata"]["finalizers"] == [FINALIZER]
    assert bench.sent("DELETE", CLAIMS) == []

    bench.api.remove(bench.claim_path)
    await bench.settle()
    assert WORKSPACE not in bench.api.objects


async def test_a_cache_that_knows_no_claims_cannot_lose_a_node(bench: Bench) -> None:
    await bench.come_up()
    bench.mark_deleted(WORKSPACE)
    bench.api.remove(DEPLOYMENT)

    with pytest.raises(Conflict, match="still exists"):
        await bench.reconcile(without=MACHINES)

    assert bench.stored(WORKSPACE)["metadata"]["finalizers"] == [FINALIZER]


async def test_f3_finalizers_of_others_stay(bench: Bench) -> None:
    await bench.come_up()
    bench.change_metadata(WORKSPACE, finalizers=["example.com/hold", FINALIZER])
    bench.mark_deleted(WORKSPACE)

    await bench.settle()

    assert bench.stored(WORKSPACE)["metadata"]["finalizers"] == ["example.com/hold"]
    assert conditions(bench)["Ready"] == "False"


@pytest.mark.parametrize("without", [SERVICES, DEPLOYMENTS], ids=lambda kind: kind.kind)
async def test_a_cache_that_lags_behind_only_repeats_itself(bench: Bench, without: Any) -> None:
    await bench.come_up()
    spec = bench.stored(DEPLOYMENT)["spec"], bench.stored(SERVICE)["spec"]

    await bench.reconcile(without=without)
    await bench.settle()

    assert (bench.stored(DEPLOYMENT)["spec"], bench.stored(SERVICE)["spec"]) == spec
    assert set(conditions(bench).values()) == {"True"}


async def test_a_lost_node_is_said_and_nothing_is_torn_down(bench: Bench) -> None:
    await bench.come_up()
    bench.api.put(NODE, status={"conditions": [{"type": "Ready", "status": "Unknown"}]})

    await bench.settle()

    assert conditions(bench)["Ready"] == "False"
    assert conditions(bench)["ResourceReady"] == "False"
    assert bench.sent("DELETE", "/") == []


async def test_a_workspace_that_disappears_is_left_in_peace(bench: Bench) -> None:
    await bench.come_up()
    bench.api.seen.clear()

    await bench.reconcile(without=WORKSPACES)

    assert [sent for sent in bench.api.seen if sent.method != "GET"] == []


async def test_a_pass_that_changes_the_world_leaves_the_word_to_the_next(bench: Bench) -> None:
    await bench.come_up()
    requests = [(sent.method, sent.path.rsplit("/", 1)[-1]) for sent in bench.api.seen]

    assert requests == [
        ("PATCH", "w"),
        ("POST", "machines"),
        ("PATCH", "status"),
        ("POST", "services"),
        ("POST", "deployments"),
        ("PATCH", "status"),
        ("PATCH", "status"),
    ]


async def test_f1_without_the_finalizer_nothing_is_bought(bench: Bench) -> None:
    bench.put_workspace()
    bench.api.instead.append(refusal(409, "Conflict"))

    with pytest.raises(Conflict):
        await bench.reconcile()

    assert bench.sent("PATCH", WORKSPACE)
    assert bench.sent("POST", CLAIMS) == []


async def test_a_service_of_somebody_else_is_said_and_keeps_the_workload_away(
    bench: Bench,
) -> None:
    bench.put_workspace()
    await bench.settle()
    bench.api.put(SERVICE, metadata={"name": "w", "namespace": "default", "uid": "theirs"})
    bench.bring_node()

    await bench.reconcile()

    (ready,) = [one for one in bench.workspace.status.conditions if one.type == "Ready"]
    assert ready.reason == "NameTaken"
    assert DEPLOYMENT not in bench.api.objects
