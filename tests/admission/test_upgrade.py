"""Objects from before a rule was there: they can be labelled, watched over and deleted as ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from kaito.api.rule import broken
from kaito.api.workspace import Workspace
from tests.admission.cases import REFUSED, Case
from tests.admission.door import Door, collection
from tests.admission.former import without_rules

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

DEFINITION = yaml.safe_load(Path("manifests/crds/kaito.sh_workspaces.yaml").read_text())
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/workspaces.kaito.sh"
MERGE = "application/merge-patch+json"


def stored(number: int, case: Case) -> dict[str, Any]:
    """The object of a case, under a name of its own, which stays wrong where that is the point."""
    wire = deepcopy(case.wire())
    if wire["metadata"]["name"] == "w":
        wire["metadata"]["name"] = f"old-{number}"
    return wire


OLD = [stored(number, case) for number, case in enumerate(REFUSED)]


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def upgraded(door: Door) -> AsyncIterator[None]:
    """Every wrong object is stored, and then the rules come."""
    await defined(door, without_rules(DEFINITION))
    for wire in OLD:
        while await door.refusal(wire):
            pass
        await door.client.request("POST", collection(wire), body=wire)
    await defined(door, DEFINITION)
    fresh = {**REFUSED[0].wire()}
    while not await door.refusal(fresh):
        pass
    yield


async def defined(door: Door, definition: Mapping[str, Any]) -> None:
    """Put a definition in place of the one that is there."""
    await door.client.request("PATCH", PATH, body={"spec": definition["spec"]}, content_type=MERGE)


@pytest.mark.parametrize("wire", OLD, ids=[case.about for case in REFUSED])
async def test_an_old_object_lives_on_is_told_what_is_wrong_and_can_go(
    door: Door, wire: Mapping[str, Any]
) -> None:
    path = f"{collection(wire)}/{wire['metadata']['name']}"

    async def patched(patch: Mapping[str, object], *, below: str = "") -> None:
        await door.client.request("PATCH", path + below, body=patch, content_type=MERGE)

    assert list(broken(Workspace.model_validate(wire))) != []
    await patched({"metadata": {"finalizers": ["workspace.finalizer.kaito.sh"]}})
    await patched({"metadata": {"labels": {"team": "a"}}})
    await patched({"status": {"observedGeneration": 1}}, below="/status")
    await door.client.request("DELETE", path)
    await patched({"status": {"observedGeneration": 2}}, below="/status")
    await patched({"metadata": {"finalizers": []}})
    names = await door.client.request("GET", collection(wire))
    assert isinstance(names, dict)
    assert wire["metadata"]["name"] not in {one["metadata"]["name"] for one in names["items"]}
