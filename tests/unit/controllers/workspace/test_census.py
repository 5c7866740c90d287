"""Workspaces and GPUs, counted for Prometheus."""

from __future__ import annotations

from kaito.kube.objects import Condition
from tests.unit.controllers.workspace.counting import a_node, a_workspace, counted, said


def test_each_workspace_is_counted_once_under_its_state_and_reason() -> None:
    stalled = Condition(type="Stalled", status="True", reason="UnknownPreset")
    samples = counted(
        a_workspace("a", said("True", "WorkspaceReady")),
        a_workspace("b", said("False", "UnknownPreset"), stalled),
        a_workspace("c", said("False", "WaitingForMachines")),
        a_workspace("d", said("False", "WaitingForMachines", seconds=300)),
        a_workspace("e"),
    )
    workspaces = {
        tuple(value for _, value in key): number
        for (name, key), number in samples.items()
        if name == "kaito_workspaces"
    }

    assert workspaces == {
        ("WorkspaceReady", "Ready"): 1,
        ("UnknownPreset", "Stalled"): 1,
        ("WaitingForMachines", "Reconciling"): 2,
        ("Reconciling", "Reconciling"): 1,
    }


def test_of_those_that_wait_for_the_same_the_longest_is_told() -> None:
    samples = counted(
        a_workspace("c", said("False", "WaitingForMachines")),
        a_workspace("d", said("False", "WaitingForMachines", seconds=300)),
        a_workspace("a", said("True", "WorkspaceReady", seconds=9000)),
    )
    waits = {key: value for key, value in samples.items() if key[0].endswith("unready_seconds")}

    assert waits == {("kaito_workspace_unready_seconds", (("reason", "WaitingForMachines"),)): 300}


def test_gpus_that_serve_nobody_are_idle_and_strangers_are_not_ours() -> None:
    samples = counted(
        a_workspace("a", said("True", "WorkspaceReady"), node="one"),
        a_workspace("b", said("False", "WorkloadProgressing"), node="two"),
        a_node("one"),
        a_node("two"),
        a_node("three", bought=False),
    )
    gpus = {dict(key)["state"]: value for (name, key), value in samples.items() if "gpus" in name}

    assert gpus == {"serving": 2, "idle": 2}


def test_gpus_that_train_are_not_idle_before_the_adapter_is_there() -> None:
    samples = counted(
        a_workspace("a", said("False", "Tuning", seconds=9000), node="one"),
        a_workspace("b", said("False", "DataUnusable", seconds=9000), node="two"),
        a_node("one"),
        a_node("two"),
    )
    gpus = {dict(key)["state"]: value for (name, key), value in samples.items() if "gpus" in name}

    assert gpus == {"tuning": 2, "idle": 2}


def test_no_idle_gpu_is_a_zero_and_no_gap() -> None:
    samples = counted(a_workspace("a", said("True", "WorkspaceReady"), node="one"), a_node("one"))
    gpus = {dict(key)["state"]: value for (name, key), value in samples.items() if "gpus" in name}

    assert gpus == {"serving": 2, "idle": 0}
