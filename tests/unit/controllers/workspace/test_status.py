"""What the status says of a look at the world, and when it moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from kaito.api.workspace import WorkspaceStatus
from kaito.catalog.geometry import Geometry
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.status import status_manifest
from kaito.kube.objects import Condition
from tests.unit.controllers.workspace.kstatus import statuses
from tests.unit.controllers.workspace.states import (
    DEPLOYMENT,
    EMPTY,
    FAILED,
    LATER,
    LOADING,
    NODE,
    PROVISIONED,
    UP,
    WORLDS,
    after,
    knowing,
    said,
)
from tests.unit.controllers.workspace.worlds import (
    CATALOG,
    NOW,
    PRESET,
    deleting,
    observed,
    workspace,
)


def found(where: WorkspaceStatus, type_: str) -> Condition:
    (condition,) = [one for one in where.conditions if one.type == type_]
    return condition


@pytest.mark.parametrize(
    ("seen", "machine", "resource", "inference", "ready", "doing"),
    [
        (EMPTY, "False", "Unknown", "Unknown", "False", "Reconciling"),
        (FAILED, "False", "Unknown", "Unknown", "False", "Stalled"),
        (PROVISIONED, "True", "True", "False", "False", "Reconciling"),
        (LOADING, "True", "True", "False", "False", "Reconciling"),
        (UP, "True", "True", "True", "True", ""),
    ],
    ids=["empty", "failed", "provisioned", "loading", "up"],
)
def test_s2_each_stage_stands_from_the_first_look_on(
    seen: Observed, machine: str, resource: str, inference: str, ready: str, doing: str
) -> None:
    assert statuses(said(seen)) == {
        "MachineReady": machine,
        "ResourceReady": resource,
        "InferenceReady": inference,
        "WorkspaceReady": ready,
        "WorkspaceSucceeded": ready,
        "Ready": ready,
        **({doing: "True"} if doing else {}),
    }


def test_the_first_stage_that_is_not_done_speaks_for_the_workspace() -> None:
    whole = said(FAILED)

    assert found(whole, "Ready").reason == "MachineFailed"
    assert "no quota left" in found(whole, "Ready").message
    for type_ in ("Ready", "WorkspaceReady"):
        assert found(whole, type_).message == found(whole, "MachineReady").message


@pytest.mark.parametrize("seen", WORLDS)
def test_ready_is_never_true_without_every_stage(seen: Observed) -> None:
    for stored in WORLDS:
        where = after(stored, seen)
        stages = ("MachineReady", "ResourceReady", "InferenceReady")
        if statuses(where)["Ready"] == "True":
            assert all(statuses(where)[type_] == "True" for type_ in stages)
            assert not seen.workspace.is_deleting
        assert statuses(where)["Ready"] == statuses(where)["WorkspaceReady"]


def test_the_time_moves_only_where_the_status_moves() -> None:
    where = after(PROVISIONED, UP)

    assert found(where, "MachineReady").last_transition_time == NOW
    assert found(where, "ResourceReady").last_transition_time == NOW
    assert found(where, "InferenceReady").last_transition_time == LATER
    assert found(where, "Ready").last_transition_time == LATER


def test_the_status_says_to_what_the_context_is_lowered() -> None:
    # 16 x 0.84 - 2.3 GiB, less 7.12 x 1.02 x 1.05 GiB, at 393,216 bytes a token: 9,596.9 tokens.
    long = PRESET.model_copy(
        update={
            "geometry": Geometry(
                weights_gib=7.12,
                dtype="bfloat16",
                attention="mha",
                layers=32,
                hidden_size=3072,
                heads=32,
                kv_heads=32,
                head_size=96,
                context_tokens=131_072,
            )
        }
    )

    where = said(replace(PROVISIONED, catalog=replace(CATALOG, presets={"phi": long})))

    assert found(where, "ResourceReady").message == (
        "1 of 1 nodes are ready: phi fits 1 node of Standard_X: it uses 1 of 1 GPU,"
        " needs 10.68 GiB of 16 GiB on each for 2048 tokens;"
        " its context is lowered from 131072 to 9596 tokens"
    )


def test_a_new_reason_alone_moves_no_time() -> None:
    where = after(EMPTY, FAILED)

    assert found(where, "MachineReady").reason == "MachineFailed"
    assert found(where, "MachineReady").last_transition_time == NOW


def test_a_stage_behind_an_unsatisfied_one_keeps_what_it_said() -> None:
    before = said(UP)
    lost = replace(UP, nodes=())

    where = said(replace(knowing(lost, before, generation=2), now=LATER))

    assert found(where, "ResourceReady").status == "False"
    assert found(where, "InferenceReady") == found(before, "InferenceReady")
    assert found(where, "InferenceReady").observed_generation == 1
    assert found(where, "Ready").status == "False"


def test_a_model_whose_pods_ended_is_not_said_to_answer_while_its_node_is_away() -> None:
    lost = replace(UP, nodes=(), deployment=DEPLOYMENT)

    where = after(UP, lost)

    assert found(where, "ResourceReady").status == "False"
    assert found(where, "InferenceReady").status == "False"
    assert found(where, "InferenceReady").reason == "WorkspacePending"


def test_s1_every_condition_that_was_looked_at_names_the_generation_that_it_saw() -> None:
    where = said(knowing(UP, WorkspaceStatus(), generation=5))

    assert where.observed_generation == 5
    assert {one.observed_generation for one in where.conditions} == {5}


def test_nodes_in_use_are_listed_and_stay_listed_while_they_are_not_looked_at() -> None:
    name = NODE.metadata.name

    assert said(EMPTY).worker_nodes == ()
    assert said(UP).worker_nodes == (name,)
    assert after(UP, replace(UP, nodes=())).worker_nodes == (name,)


@pytest.mark.parametrize("seen", WORLDS)
def test_s3_a_second_look_at_the_same_world_says_the_same(seen: Observed) -> None:
    first = said(seen)

    assert said(replace(knowing(seen, first), now=LATER)) == first


@pytest.mark.parametrize("seen", WORLDS)
def test_a_status_survives_the_way_over_the_wire(seen: Observed) -> None:
    where = said(seen)

    assert WorkspaceStatus.model_validate(dict(status_manifest(where))) == where


def test_the_wire_form_is_metav1_condition_with_whole_seconds() -> None:
    odd = replace(UP, now=NOW + timedelta(microseconds=123456))

    manifest = status_manifest(said(odd))

    assert set(manifest) == {"state", "observedGeneration", "workerNodes", "conditions"}
    conditions = manifest["conditions"]
    assert isinstance(conditions, list)
    for one in conditions:
        assert set(one) == {
            *("type", "status", "reason", "message"),
            *("lastTransitionTime", "observedGeneration"),
        }
        assert one["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_deletion_is_a_condition_of_its_own() -> None:
    where = after(UP, deleting(UP))

    assert found(where, "WorkspaceDeleting").status == "True"
    assert found(where, "WorkspaceDeleting").reason == "WorkloadDeleting"
    assert found(where, "WorkspaceDeleting").last_transition_time == LATER
    assert statuses(where)["Ready"] == "False"
    assert found(where, "MachineReady") == found(said(UP), "MachineReady")


def test_a_workspace_that_stays_is_not_said_to_be_deleted() -> None:
    assert "WorkspaceDeleting" not in statuses(said(UP))


def test_a_workspace_that_others_hold_is_not_said_to_be_ready() -> None:
    gone = deleting(EMPTY)
    metadata = gone.workspace.metadata.model_copy(update={"finalizers": ("example.com/hold",)})
    held = replace(gone, workspace=gone.workspace.model_copy(update={"metadata": metadata}))

    where = said(held)

    assert statuses(where)["Ready"] == "False"
    assert "example.com/hold" in found(where, "WorkspaceDeleting").message


def test_one_word_says_whether_the_model_comes_answers_or_has_stopped() -> None:
    assert [said(seen).state for seen in (EMPTY, PROVISIONED, LOADING, UP)] == [
        "Pending",
        "Pending",
        "Pending",
        "Ready",
    ]
    assert after(UP, LOADING).state == "NotReady"
    assert said(knowing(LOADING, after(UP, LOADING))).state == "NotReady"
    assert (
        said(observed(workspace=workspace(inference={"preset": {"name": "x"}}))).state == "NotReady"
    )
    assert status_manifest(said(UP))["state"] == "Ready"
