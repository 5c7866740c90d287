"""The tree that `status` draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kaito.cli.branch import Branch, Pen, Tone, drawn, duration, plain
from kaito.cli.scene import Scene
from kaito.cli.tree import tree
from tests.unit.cli import scenes


def test_a_workspace_that_answers_is_shown_down_to_its_pod() -> None:
    lines = drawn(tree(scenes.serving()), Pen(lines=True))

    assert lines == (
        "Workspace default/phi  Ready  3m",
        "├─ Machine ws1         Ready (Standard_NC6s_v3)  2m50s",
        "│  └─ Node aks-ws1     Ready, GPUs: 1  1m",
        "│     └─ Pod phi-0     Running 1/1  30s",
        "├─ Deployment phi      1/1 ready  1m30s",
        "└─ Service phi         10.0.0.7 80/TCP,29500/TCP  1m30s",
    )


def test_what_is_waited_for_stands_below_the_object_that_waits() -> None:
    lines = drawn(tree(scenes.waiting()))

    assert lines == (
        "Workspace default/phi  Pending  3m",
        "|  WaitingForMachines: waits for machine ws1",
        "`- Machine ws1         waits for MachineRegistered (Standard_NC6s_v3)  2m50s",
        "      NodeNotFound: Azure is at it",
    )


def test_a_workspace_that_nobody_has_looked_at_says_so() -> None:
    root = tree(Scene(now=scenes.NOW, workspace=scenes.a_workspace(observed=-1)))

    assert (root.state, root.notes) == ("Pending", ("no controller has looked at it yet",))


@pytest.mark.parametrize(
    ("conditions", "state", "tone"),
    [
        ((scenes.READY,), "Ready", Tone.GOOD),
        ((scenes.condition("Stalled", "True", "InvalidSpec"),), "Stalled", Tone.BAD),
        ((scenes.condition("Reconciling", "True"),), "Pending", Tone.BUSY),
    ],
    ids=["ready", "stalled", "at work"],
)
def test_the_workspace_in_one_word(
    conditions: tuple[scenes.Wire, ...], state: str, tone: Tone
) -> None:
    root = tree(Scene(now=scenes.NOW, workspace=scenes.a_workspace(*conditions)))

    assert (root.state, root.tone) == (state, tone)


@pytest.mark.parametrize(
    ("reason", "tone"),
    [("QuotaExceeded", Tone.BAD), ("MachineNotLaunched", Tone.BUSY)],
    ids=["failed", "not begun"],
)
def test_a_claim_is_red_only_when_something_has_failed(reason: str, tone: Tone) -> None:
    claim = scenes.a_machine(scenes.condition("MachineLaunched", "False", reason))

    (shown,) = tree(replace(scenes.waiting(), claims=(claim,))).children

    assert shown.tone is tone


def test_a_node_without_gpus_says_what_is_missing() -> None:
    seen = replace(scenes.serving(), nodes=(scenes.a_node(gpus="0"),))

    node = tree(seen).children[0].children[0]

    assert node.tone is Tone.BUSY
    assert node.notes == (
        "reports no nvidia.com/gpu: the driver or the device plugin is not there yet",
    )


def test_a_pod_that_cannot_pull_says_why_in_red() -> None:
    refused = {"waiting": {"reason": "ErrImagePull", "message": "phi:1 not found"}}
    pod = scenes.a_pod(node="", phase="Pending", state=refused)
    seen = replace(scenes.serving(), pods=(pod,), workloads=(scenes.a_deployment(ready=0),))

    deployment = next(each for each in tree(seen).children if each.kind == "Deployment")
    (child,) = deployment.children

    assert (child.name, child.state, child.tone) == ("phi-0", "ErrImagePull 0/1", Tone.BAD)
    assert "cannot pull phi:1: phi:1 not found" in child.notes[0]


def test_what_may_not_be_read_is_said_instead_of_left_out() -> None:
    seen = replace(scenes.serving(), nodes=(), hidden=("not shown: nodes is forbidden",))

    assert tree(seen).notes == ("not shown: nodes is forbidden",)


def test_colour_changes_nothing_but_the_colour() -> None:
    root = tree(scenes.waiting())

    coloured = drawn(root, Pen(colour=True))

    assert "\x1b[33mPending\x1b[0m" in coloured[0]
    assert [
        line.replace("\x1b[33m", "").replace("\x1b[31m", "").replace("\x1b[0m", "")
        for line in coloured
    ] == list(drawn(root))


def test_a_sentence_is_broken_at_the_edge_of_a_terminal() -> None:
    said = "node aks-1 has not joined: " + "its kubelet is silent, " * 6
    leaf = Branch("Node", "n", "NotReady", notes=(said.strip(),))
    root = Branch("Workspace", "w", "Pending", notes=(said.strip(),), children=(leaf,))

    lines = drawn(root, Pen(columns=60))

    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines).replace("|", "").split()).count(said.strip()) == 2
    assert [line[:3] for line in lines[1:4]] == ["|  "] * 3
    assert said.strip() in drawn(root)[1]


def test_programs_read_the_same_tree() -> None:
    found: Any = plain(tree(scenes.serving()))

    assert found["state"] == "Ready"
    assert found["ageSeconds"] == 180
    assert [child["kind"] for child in found["children"]] == ["Machine", "Deployment", "Service"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (125, "2m5s"),
        (660, "11m"),
        (3600, "1h"),
        (3725, "1h2m"),
        (90000, "1d1h"),
        (2592000, "30d"),
    ],
)
def test_ages_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_branch_of_a_branch_keeps_its_stem() -> None:
    leaf = Branch("Pod", "b", "Running")
    root = Branch("A", "a", "x", children=(Branch("N", "n", "y", children=(leaf,)), leaf))

    assert drawn(root, Pen(lines=True))[2].startswith("│  └─ Pod b")
