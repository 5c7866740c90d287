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

FOLDER = Path(__file__).parents[2] / "manifests" / "argocd"
KINDS: Mapping[str, type[KubeObject]] = {
    "kaito.sh/Workspace": Workspace,
    "karpenter.sh/Machine": Machine,
}
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
