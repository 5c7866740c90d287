"""Argo CD's health scripts, run by a real Lua over recorded states."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from lupa import LuaRuntime

from kaito.api.machine import Machine
from kaito.api.workspace import Workspace
from kaito.kube.objects import KubeObject
from tests.bystander import Json
from tests.monitoring import recorded

pytestmark = pytest.mark.timeout(180)

FOLDER = Path(__file__).parents[2] / "manifests" / "argocd"
KINDS: Mapping[str, type[KubeObject]] = {
    "kaito.sh/Workspace": Workspace,
    "karpenter.sh/Machine": Machine,
}
FLUX = {
    "Terminating": "Progressing",
    "InProgress": "Progressing",
    "Failed": "Degraded",
    "Current": "Healthy",
}
"""What Argo CD calls what kstatus, and so Flux, calls otherwise."""
READY = {None: "Progressing", "Unknown": "Progressing", "False": "Degraded", "True": "Healthy"}
STATUSES = {"Healthy", "Progressing", "Degraded", "Suspended"}


def cases() -> list[tuple[str, str, str, str]]:
    """Kind, state, and the status and message that are to come out."""
    return [
        (kind, case["inputPath"], case["healthStatus"]["status"], case["healthStatus"]["message"])
        for kind in KINDS
        for case in yaml.safe_load((FOLDER / kind / "health_test.yaml").read_text())["tests"]
    ]


def health(kind: str, obj: Json) -> dict[str, str]:
    """What the script says of an object, in an interpreter that can do nothing else."""
    lua = LuaRuntime(unpack_returned_tuples=True, register_eval=False)
    lua.globals()["obj"] = lua.table_from(obj, recursive=True)
    found = lua.execute((FOLDER / kind / "health.lua").read_text())
    return dict(found.items())


@pytest.mark.parametrize(("kind", "path", "status", "message"), cases())
def test_the_script_says_what_the_state_is(kind: str, path: str, status: str, message: str) -> None:
    obj = yaml.safe_load((FOLDER / kind / path).read_text())

    assert health(kind, obj) == {"status": status, "message": message}
    assert status in STATUSES


@pytest.mark.parametrize(("kind", "path"), [case[:2] for case in cases()])
def test_the_recorded_states_are_objects_of_ours(kind: str, path: str) -> None:
    obj = yaml.safe_load((FOLDER / kind / path).read_text())

    assert KINDS[kind].model_validate(obj).metadata.name == obj["metadata"]["name"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_in_the_folder_is_tried(kind: str) -> None:
    states = {f"testdata/{path.name}" for path in (FOLDER / kind / "testdata").glob("*.yaml")}

    assert states == {path for each, path, *_ in cases() if each == kind}


@pytest.mark.parametrize(("kind", "path"), [case[:2] for case in cases()])
def test_a_state_in_the_folder_is_one_that_the_controllers_came_to(kind: str, path: str) -> None:
    obj = yaml.safe_load((FOLDER / kind / path).read_text())

    assert recorded.gist(obj) in {recorded.gist(each) for each in recorded.states(obj["kind"])}


def test_a_workspace_has_the_health_that_flux_would_see_all_its_life() -> None:
    states = recorded.states("Workspace")
    found = [health("kaito.sh/Workspace", obj)["status"] for obj in states]

    assert found == [FLUX[kstatus(obj)] for obj in states]
    assert set(found) == {"Healthy", "Progressing", "Degraded"}


def test_a_machine_is_as_well_as_its_ready_says_all_its_life() -> None:
    states = recorded.states("Machine")
    found = [health("karpenter.sh/Machine", obj)["status"] for obj in states]

    assert found == [
        "Progressing" if "deletionTimestamp" in obj["metadata"] else READY[stands(obj).get("Ready")]
        for obj in states
    ]
    assert set(found) == {"Healthy", "Progressing", "Degraded"}


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_is_unwell_is_told_why_in_our_words(kind: str) -> None:
    for obj in recorded.states(kind.partition("/")[2]):
        found = health(kind, obj)
        if found["status"] == "Degraded":
            (why,) = [each for each in obj["status"]["conditions"] if each["type"] == "Ready"]
            assert found["message"] == f"{why['reason']}: {why['message']}"


def stands(obj: Json) -> dict[str, str]:
    """Status of each condition."""
    return {each["type"]: each["status"] for each in obj.get("status", {}).get("conditions", ())}


def kstatus(obj: Json) -> str:
    """The word that kstatus has for an object, by its documented order of questions."""
    is_seen = obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]
    found = stands(obj)
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    if not is_seen or found.get("Reconciling") == "True":
        return "InProgress"
    if found.get("Stalled") == "True":
        return "Failed"
    return "Current" if found.get("Ready") == "True" else "InProgress"
