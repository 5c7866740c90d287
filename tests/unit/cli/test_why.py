"""The one cause that `why` names."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kaito.api.reasons import Reason
from kaito.cli.branch import Pen
from kaito.cli.cause import finding, reply
from kaito.cli.remedies import CLAIM, ELSEWHERE, WORKSPACE, remedy_of
from kaito.cli.scene import Scene
from provisioner.controllers.machine.reasons import Reason as ClaimReason
from provisioner.failures import MEANINGS
from tests.unit.cli import scenes

ROOT = Path(__file__).parents[3]
PROGRAMS = ("kaito", "provisioner")
WORD = re.compile(r"([A-Z][a-z]+){2,}")
"""Of several words, as reasons are; an error's class is no reason here."""


def held(reason: str, message: str = "said by the controller") -> Scene:
    """A Workspace that this reason holds up."""
    ready = scenes.condition("Ready", "False", reason, message)
    return Scene(now=scenes.NOW, workspace=scenes.a_workspace(ready))


def test_a_ready_workspace_has_no_cause() -> None:
    found = finding(scenes.serving())
    said = reply(found, output="table")

    assert (said.code, found.ready) == (0, True)
    assert said.text.splitlines()[0] == "state:   ready for 2m"
    assert said.text.splitlines()[-1] == "remedy:  nothing to do"


def test_the_cause_of_a_wait_is_the_claim_s() -> None:
    found = finding(scenes.waiting("no node of pool ws1"))

    assert (found.subject, found.reason) == ("Machine ws1", "NodeNotFound")
    assert found.message == "no node of pool ws1"
    assert reply(found, output="table").code == 1


def test_a_claim_that_nobody_looks_at_points_at_the_provisioner() -> None:
    seen = replace(scenes.waiting(), claims=(scenes.a_machine(),))

    assert finding(seen).message == "no provisioner has looked at it"


def test_a_refused_spec_is_its_own_cause() -> None:
    message = "inference.preset.name: no preset is named phi"
    stalled = scenes.condition("Stalled", "True", "UnknownPreset", message)
    ready = scenes.condition("Ready", "False", "UnknownPreset", message)
    seen = Scene(now=scenes.NOW, workspace=scenes.a_workspace(ready, stalled))

    found = finding(seen)

    assert (found.stalled, found.subject) == (True, "Workspace default/phi")
    assert (found.message, found.reason) == (message, "UnknownPreset")
    assert "kubectl kaito models" in found.remedy


def test_pods_that_load_say_so() -> None:
    pod = scenes.a_pod(ready=False, state={"running": {"startedAt": scenes.ago(20)}})
    seen = replace(held("WorkloadProgressing"), pods=(pod,))

    found = finding(seen)

    assert (found.subject, found.reason) == ("Pod phi-0", "ModelLoading")
    assert found.remedy == WORKSPACE["WorkloadProgressing"].remedy


def test_a_pod_that_was_evicted_days_ago_is_not_what_a_workspace_waits_for() -> None:
    loading = scenes.a_pod(ready=False, state={"running": {"startedAt": scenes.ago(20)}})
    metadata = loading.metadata.model_copy(
        update={"name": "phi-a", "creation_timestamp": scenes.NOW - timedelta(days=3)}
    )
    status = loading.status.model_copy(update={"phase": "Failed", "reason": "Evicted"})
    evicted = loading.model_copy(update={"metadata": metadata, "status": status})

    found = finding(replace(held("WorkloadProgressing"), pods=(evicted, loading)))

    assert (found.subject, found.reason) == ("Pod phi-0", "ModelLoading")


def test_a_container_that_runs_again_for_a_moment_still_crashes() -> None:
    lasting = {"min_ready_seconds": 10, "template": {"spec": {"containers": [{"name": "phi"}]}}}
    deployment = scenes.a_deployment(ready=1)
    spec = deployment.spec.model_copy(update=lasting)
    workload = deployment.model_copy(update={"spec": spec})
    running, ended = {"startedAt": scenes.ago(3)}, {"exitCode": 3}
    again = scenes.a_pod(ready=True, state={"running": running}, lastState={"terminated": ended})

    found = finding(replace(held("WorkloadProgressing"), workloads=(workload,), pods=(again,)))

    assert (found.subject, found.reason) == ("Pod phi-0", "ContainerCrashLoopBackOff")


def test_a_node_that_is_not_ready_is_named() -> None:
    node = scenes.a_node(ready="False", message="container runtime is down")
    found = finding(replace(held("NodesNotReady"), nodes=(node,)))

    assert (found.subject, found.message) == ("Node aks-ws1", "container runtime is down")


@pytest.mark.parametrize(
    ("seconds", "remedy"), [(3, "nothing to do"), (60, "look whether the operator runs")]
)
def test_a_spec_that_nobody_looks_at_points_at_the_operator_after_a_while(
    seconds: float, remedy: str
) -> None:
    young = scenes.a_workspace(observed=-1)
    created = young.metadata.model_copy(
        update={"creation_timestamp": scenes.NOW - timedelta(seconds=seconds)}
    )
    seen = Scene(now=scenes.NOW, workspace=young.model_copy(update={"metadata": created}))

    found = finding(seen)

    assert found.reason == "NotObserved"
    assert found.remedy.startswith(remedy)


def test_a_cause_is_broken_at_the_edge_of_a_terminal() -> None:
    found = replace(finding(scenes.waiting()), message="a word " * 30)

    whole = reply(found, output="table").text.splitlines()
    lines = reply(found, output="table", pen=Pen(columns=60)).text.splitlines()

    assert [line.split()[0] for line in whole] == ["state:", "where:", "cause:", "remedy:"]
    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(whole).split())
    assert all(line.startswith(" " * 9) for line in lines if ":" not in line[:9])


def test_a_workspace_that_goes_is_not_said_to_be_on_its_way() -> None:
    held = scenes.condition("Ready", "False", "MachinesDeleting", "deleting ws1")
    workspace = scenes.a_workspace(held)
    going = workspace.metadata.model_copy(update={"deletion_timestamp": scenes.NOW})
    seen = Scene(now=scenes.NOW, workspace=workspace.model_copy(update={"metadata": going}))

    said = reply(finding(seen), output="table")

    assert said.code == 1
    assert said.text.startswith("state:   deleting")


def test_programs_get_every_field() -> None:
    found = json.loads(reply(finding(scenes.waiting()), output="json").text)

    assert found["ready"] is False
    assert found["reason"] == "NodeNotFound"
    assert found["seconds"] == 120


def test_every_reason_has_a_remedy_and_no_other() -> None:
    of_claims = {str(reason) for reason in ClaimReason} | {
        each.reason for each in MEANINGS.values()
    }

    assert set(WORKSPACE) == {str(reason) for reason in Reason}
    assert set(CLAIM) == of_claims
    assert set(ELSEWHERE) == spoken() - set(WORKSPACE) - of_claims


def spoken() -> set[str]:
    """The words that the programs give as a reason, found where they are written out."""
    found = set[str]()
    for path in (path for part in PROGRAMS for path in sorted((ROOT / part).rglob("*.py"))):
        tree = ast.parse(path.read_text())
        named = dict(assigned(tree))
        for place in places(tree):
            word = named.get(place.id) if isinstance(place, ast.Name) else place
            if isinstance(word, ast.Constant) and WORD.fullmatch(str(word.value)):
                found.add(str(word.value))
    return found


def assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The constants of a module."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def places(tree: ast.Module) -> Iterator[ast.expr]:
    """Where a reason stands: an argument or variable of that name, and the words of a pair."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="reason") | ast.Assign(targets=[ast.Name(id="reason")]):
                yield node.value
            case ast.keyword(arg="pending", value=ast.Tuple(elts=[_, word, _])):
                yield word
            case ast.Call(func=ast.Name(id="_Trouble"), args=[_, word, _]):
                yield word
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=words)):
                pairs = zip(names, words, strict=True)
                yield from (word for name, word in pairs if getattr(name, "id", "") == "reason")
            case ast.Return(value=ast.Tuple(elts=[word, _])):
                yield from _either(word)


def _either(word: ast.expr) -> Iterable[ast.expr]:
    """The words that an expression chooses from."""
    if isinstance(word, ast.IfExp):
        return word.body, word.orelse
    return word.values if isinstance(word, ast.BoolOp) else (word,)


def test_a_strange_provisioner_s_reason_falls_back_to_the_stage() -> None:
    assert remedy_of("NobodyKnows", otherwise="WaitingForMachines") == (
        WORKSPACE["WaitingForMachines"].remedy
    )
    assert "kubectl describe" in remedy_of("NobodyKnows")
