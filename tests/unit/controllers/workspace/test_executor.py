"""Actions over real HTTP: what is sent, and what an answer means."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import structlog

from kaito.api.machine import MACHINES
from kaito.api.reasons import Reason
from kaito.api.workspace import Workspace
from kaito.controllers.workspace.executor import Executor
from kaito.controllers.workspace.step import (
    Action,
    AddFinalizer,
    Apply,
    Create,
    Delete,
    ReleaseFinalizer,
    Step,
)
from kaito.kube.errors import Conflict, KubeError
from kaito.kube.kinds import DEPLOYMENTS, SERVICES
from kaito.kube.objects import KubeObject, Manifest, ObjectMeta
from kaito.kube.writer import LabelsLost, NameTaken
from kaito.nodes.claim import rendered_claim
from kaito.workloads.service import rendered_service
from tests.unit.controllers.workspace.bench import (
    CLAIMS,
    DEPLOYMENT,
    SERVICE,
    WORKSPACE,
    Bench,
)
from tests.unit.controllers.workspace.worlds import UID, WISH, workspace
from tests.unit.kube.apiserver import refusal

CLAIM: Manifest = rendered_claim(workspace(), WISH)
SERVICE_MANIFEST = rendered_service(workspace(), target_port=5000)


def claim_of(uid: str) -> dict[str, Any]:
    """The claim's fields, as the workspace with that uid would have made it."""
    wire: dict[str, Any] = deepcopy(dict(CLAIM))
    wire["metadata"]["labels"]["kaito.sh/workspace-uid"] = uid
    return wire


def state(uid: str, version: str) -> KubeObject:
    """The Deployment as it was seen."""
    metadata = ObjectMeta(name="w", namespace="default", uid=uid, resource_version=version)
    return KubeObject(metadata=metadata)


def stored_workspace(bench: Bench) -> Workspace:
    """The Workspace as an up-to-date cache has it."""
    return Workspace.model_validate(bench.stored(WORKSPACE))


def put_finalizers(bench: Bench, *finalizers: str) -> None:
    metadata = {**bench.stored(WORKSPACE)["metadata"], "finalizers": list(finalizers)}
    bench.api.put(WORKSPACE, metadata=metadata)


def name_of(claim: dict[str, Any]) -> str:
    return str(claim["metadata"]["name"])


async def carry_out(bench: Bench, *actions: Action) -> int:
    steps = [Step("", satisfied=False, reason=Reason.RECONCILING, actions=actions)]
    return await Executor(bench.client).run(steps)


async def test_a_claim_is_created_as_it_was_rendered(bench: Bench) -> None:
    assert await carry_out(bench, Create(MACHINES, CLAIM, UID)) == 1

    (sent,) = bench.api.seen
    assert (sent.method, sent.path, sent.body) == ("POST", CLAIMS, CLAIM)


async def test_a_claim_names_the_reconcile_that_creates_it_and_nothing_else_does(
    bench: Bench,
) -> None:
    with structlog.contextvars.bound_contextvars(reconcile="0a1b2c3d4e5f"):
        await carry_out(bench, Create(MACHINES, CLAIM, UID))
        await carry_out(bench, Create(SERVICES, SERVICE_MANIFEST, UID))

    made: Any
    made, service = (sent.body for sent in bench.api.seen)
    assert made["metadata"]["annotations"] == {
        "kaito.sh/claim": "0/0",
        "kaito.sh/reconcile": "0a1b2c3d4e5f",
    }
    assert service == SERVICE_MANIFEST


async def test_y2_a_claim_that_is_there_already_and_ours_is_success(bench: Bench) -> None:
    ours = claim_of(UID)
    bench.api.put(f"{CLAIMS}/{name_of(ours)}", **ours)

    await carry_out(bench, Create(MACHINES, CLAIM, UID))

    assert [sent.method for sent in bench.api.seen] == ["POST", "GET"]
    assert len(bench.api.objects) == 1


async def test_y2_a_claim_of_the_same_name_that_is_a_stranger_s_is_refused(bench: Bench) -> None:
    theirs = claim_of("another-uid")
    path = f"{CLAIMS}/{name_of(theirs)}"
    bench.api.put(path, **theirs)
    before = deepcopy(bench.stored(path))

    with pytest.raises(NameTaken, match="belongs to somebody else"):
        await carry_out(bench, Create(MACHINES, CLAIM, UID))

    assert bench.stored(path) == before


async def test_a_service_that_is_ours_and_lacks_labels_is_told_with_its_namespace(
    bench: Bench,
) -> None:
    manifest: Any = SERVICE_MANIFEST
    metadata = {**manifest["metadata"], "labels": {}}
    bench.api.put(SERVICE, **{**manifest, "metadata": metadata})

    with pytest.raises(LabelsLost, match=r"services w --namespace=default kaito\.sh/workspace=w"):
        await carry_out(bench, Create(SERVICES, SERVICE_MANIFEST, UID))


async def test_a_namesake_that_vanishes_while_it_is_looked_at_is_tried_again(bench: Bench) -> None:
    bench.api.instead.append(refusal(409, "AlreadyExists"))

    with pytest.raises(Conflict, match="on its way out"):
        await carry_out(bench, Create(MACHINES, CLAIM, UID))


async def test_w1_an_apply_is_server_side_and_in_our_name(bench: Bench) -> None:
    seen = KubeObject.model_validate(bench.api.put(SERVICE))

    await carry_out(bench, Apply(SERVICES, SERVICE_MANIFEST, seen))

    asked, sent = bench.api.seen
    assert (asked.method, asked.path) == ("GET", SERVICE)
    assert (sent.method, sent.path) == ("PATCH", SERVICE)
    assert sent.headers["Content-Type"] == "application/apply-patch+yaml"
    assert sent.query == {"fieldManager": "kaito", "force": "true"}
    body: Any = deepcopy(sent.body)
    precondition = [body["metadata"].pop("uid"), body["metadata"].pop("resourceVersion")]
    assert body == SERVICE_MANIFEST
    assert precondition == [seen.metadata.uid, seen.metadata.resource_version]


async def test_y6_an_apply_over_a_version_that_was_not_seen_is_a_conflict(bench: Bench) -> None:
    seen = KubeObject.model_validate(bench.api.put(SERVICE))
    bench.api.put(SERVICE, spec={})

    with pytest.raises(Conflict):
        await carry_out(bench, Apply(SERVICES, SERVICE_MANIFEST, seen))

    assert bench.stored(SERVICE)["spec"] == {}


async def test_y6_a_delete_carries_uid_and_version_and_spares_all_others(bench: Bench) -> None:
    bench.api.put(DEPLOYMENT, metadata={"name": "w", "namespace": "default", "uid": "new"})
    bench.api.put(DEPLOYMENT, spec={})

    for uid, version in (("old", "3"), ("new", "2")):
        with pytest.raises(Conflict):
            await carry_out(bench, Delete(DEPLOYMENTS, state(uid, version)))
        assert DEPLOYMENT in bench.api.objects

    await carry_out(bench, Delete(DEPLOYMENTS, state("new", "3")))
    assert DEPLOYMENT not in bench.api.objects
    bodies: list[Any] = [sent.body for sent in bench.sent("DELETE", DEPLOYMENT)]
    assert bodies[-1]["preconditions"] == {"uid": "new", "resourceVersion": "3"}


async def test_f5_deleting_what_is_gone_is_success(bench: Bench) -> None:
    assert await carry_out(bench, Delete(DEPLOYMENTS, state("u", "1"))) == 1


async def test_f3_finalizers_are_stored_only_over_the_version_that_was_seen(bench: Bench) -> None:
    bench.put_workspace()
    put_finalizers(bench, "theirs")
    seen = stored_workspace(bench)

    await carry_out(bench, AddFinalizer(seen))

    stored = bench.stored(WORKSPACE)["metadata"]
    assert stored["finalizers"] == ["theirs", "workspace.finalizer.kaito.sh"]
    with pytest.raises(Conflict):
        await carry_out(bench, AddFinalizer(seen))
    assert bench.stored(WORKSPACE)["metadata"] == stored


def release(bench: Bench) -> ReleaseFinalizer:
    put_finalizers(bench, "theirs", "workspace.finalizer.kaito.sh")
    return ReleaseFinalizer(stored_workspace(bench))


async def test_y6_f1_the_finalizer_goes_after_a_live_look_shows_nothing_of_ours(
    bench: Bench,
) -> None:
    bench.put_workspace()

    await carry_out(bench, release(bench))

    looks = [sent.path for sent in bench.api.seen if sent.method == "GET"]
    assert [path.rsplit("/", 1)[1] for path in looks] == ["machines", "nodeclaims", "nodes"]
    assert [sent.method for sent in bench.api.seen] == ["GET", "GET", "GET", "PATCH"]
    look = bench.api.seen[0]
    assert look.path == CLAIMS
    assert look.query["labelSelector"] == f"kaito.sh/workspace-uid={UID}"
    assert "resourceVersion" not in look.query  # any version would do for a cache, not for us
    assert bench.stored(WORKSPACE)["metadata"]["finalizers"] == ["theirs"]


async def test_the_finalizer_stays_while_a_claim_exists(bench: Bench) -> None:
    bench.put_workspace()
    ours = claim_of(UID)
    bench.api.put(f"{CLAIMS}/{name_of(ours)}", **ours)

    with pytest.raises(Conflict, match="still exists"):
        await carry_out(bench, release(bench))

    assert bench.sent("PATCH", "") == []


async def test_the_finalizer_stays_when_the_look_fails(bench: Bench) -> None:
    bench.put_workspace()
    action = release(bench)
    bench.api.instead.append(refusal(403, "Forbidden"))

    with pytest.raises(KubeError):
        await carry_out(bench, action)

    assert bench.sent("PATCH", "") == []


async def test_f4_releasing_a_workspace_that_is_gone_is_success(bench: Bench) -> None:
    await carry_out(bench, ReleaseFinalizer(workspace()))


async def test_storing_a_finalizer_on_what_is_gone_shows_an_old_view(bench: Bench) -> None:
    gone = workspace(
        metadata={"name": "w", "namespace": "default", "uid": "u", "resourceVersion": "1"}
    )

    with pytest.raises(Conflict):
        await carry_out(bench, AddFinalizer(gone))


async def test_actions_run_in_order_and_stop_at_the_first_that_fails(bench: Bench) -> None:
    theirs = claim_of("another-uid")
    bench.api.put(f"{CLAIMS}/{name_of(theirs)}", **theirs)
    seen = KubeObject.model_validate(bench.api.put(SERVICE))

    with pytest.raises(NameTaken):
        await carry_out(
            bench,
            Apply(SERVICES, SERVICE_MANIFEST, seen),
            Create(MACHINES, CLAIM, UID),
            Delete(SERVICES, seen),
        )

    assert [sent.method for sent in bench.api.seen] == ["GET", "PATCH", "POST", "GET"]
