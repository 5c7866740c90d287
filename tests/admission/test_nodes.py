"""What the operator's right to patch nodes comes to: one label, whatever its role says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from hack.cluster.layout import Layout
from hack.cluster.probe import Probe
from kaito.kube.kinds import NODES
from kaito.kube.objects import Ref
from tests.admission.door import Door
from tests.bystander import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

FOLDER = Path("manifests/rbac")
POLICIES = "/apis/admissionregistration.k8s.io/v1"
ROLES = "/apis/rbac.authorization.k8s.io/v1"
COLLECTIONS = {
    "ValidatingAdmissionPolicy": f"{POLICIES}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{POLICIES}/validatingadmissionpolicybindings",
    "ClusterRole": f"{ROLES}/clusterroles",
    "ClusterRoleBinding": f"{ROLES}/clusterrolebindings",
}
OBJECTS = [
    wire
    for name in ("kaito.yaml", "nodes.yaml")
    for wire in yaml.safe_load_all((FOLDER / name).read_text())
    if wire["kind"] in COLLECTIONS
]
KAITO = "system:serviceaccount:kaito-system:kaito"
MOVED = "system:serviceaccount:elsewhere:kaito"
SOMEBODY = "somebody"
"""Who has the same role, and is not the operator."""
KEY = "kaito.sh/workspace-uid"
NODE = NODES.path(Ref("", "rack"))
TAINT = {"key": "mine", "value": "yes", "effect": "NoSchedule"}
WIRE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "rack",
        "labels": {"apps": "phi"},
        "annotations": {"note": "one"},
        "finalizers": ["example.com/kept"],
    },
    "spec": {"taints": [TAINT], "podCIDR": "10.0.0.0/24"},
}


class Asked:
    """Dry runs of patches, as others than the administrator."""

    def __init__(self, layout: Layout, session: aiohttp.ClientSession) -> None:
        self._url = f"https://127.0.0.1:{layout.ports.api_server}{NODE}?dryRun=All"
        self._session = session

    async def patch(self, change: object, *, who: str = KAITO) -> tuple[int, str]:
        """Status and message of the answer."""
        headers = {"Impersonate-User": who, "Content-Type": "application/merge-patch+json"}
        body = json.dumps(change)
        async with self._session.patch(self._url, data=body, headers=headers) as answer:
            return answer.status, str((await answer.json()).get("message", ""))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(layout: Layout, door: Door) -> AsyncIterator[Asked]:
    """A node, the operator's rights and the policy, for the tests of this file."""
    moved = deepcopy(next(wire for wire in OBJECTS if wire["kind"] == "ClusterRoleBinding"))
    moved["metadata"]["name"] = "moved"
    moved["subjects"][0]["namespace"] = "elsewhere"
    moved["subjects"].append({"kind": "User", "name": SOMEBODY})
    objects = [*OBJECTS, moved]
    for wire in objects:
        await door.client.request("POST", COLLECTIONS[wire["kind"]], body=wire)
    await door.client.request("POST", NODES.path(), body=WIRE)
    connector = aiohttp.TCPConnector(ssl=Probe.as_admin(layout, layout.ports.api_server).context)
    async with aiohttp.ClientSession(connector=connector) as session:
        found = Asked(layout, session)

        async def is_in_force() -> bool:
            answers = [
                await found.patch({"metadata": {"labels": {"other": "label"}}}, who=who)
                for who in (KAITO, MOVED)
            ]
            return all("alone" in message for _, message in answers)

        await until("the policy to be in force", is_in_force)
        yield found
    await door.client.merge_patch(NODES, Ref("", "rack"), {"metadata": {"finalizers": None}})
    for path in (NODE, *(f"{COLLECTIONS[w['kind']]}/{w['metadata']['name']}" for w in objects)):
        await door.client.request("DELETE", path)


def labelled(**carried: str | None) -> dict[str, Any]:
    return {"metadata": {"labels": carried}}


async def test_the_operator_writes_the_label_that_pins_pods(asked: Asked) -> None:
    assert await asked.patch(labelled(**{KEY: "u"})) == (200, "")
    assert await asked.patch(labelled(**{KEY: "u"}), who=MOVED) == (200, "")


async def test_the_operator_takes_it_off(asked: Asked, door: Door) -> None:
    await door.client.merge_patch(NODES, Ref("", "rack"), labelled(**{KEY: "u"}))

    assert await asked.patch(labelled(**{KEY: None})) == (200, "")
    assert await asked.patch(labelled(**{KEY: "another"})) == (200, "")
    await door.client.merge_patch(NODES, Ref("", "rack"), labelled(**{KEY: None}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(labelled(other="label"), "alone", id="another label"),
        pytest.param(labelled(apps="other"), "alone", id="another value"),
        pytest.param(labelled(apps=None), "alone", id="no label"),
        pytest.param(labelled(**{KEY: "u", "other": "label"}), "alone", id="two labels"),
        pytest.param({"metadata": {"labels": None}}, "alone", id="no labels"),
        pytest.param({"spec": {"taints": None}}, "taints", id="no taint"),
        pytest.param(
            {"spec": {"taints": [TAINT, {**TAINT, "key": "new"}]}}, "taints", id="a taint"
        ),
        pytest.param({"spec": {"unschedulable": True}}, "taints", id="a cordon"),
        pytest.param({"metadata": {"annotations": {"note": "two"}}}, "annotations", id="a note"),
        pytest.param({"metadata": {"annotations": None}}, "annotations", id="no note"),
        pytest.param({"metadata": {"finalizers": None}}, "finalizers", id="no finalizer"),
    ],
)
async def test_the_operator_writes_nothing_else(
    asked: Asked, change: dict[str, Any], said: str
) -> None:
    for who in (KAITO, MOVED):
        status, message = await asked.patch(change, who=who)

        assert status == 422, message
        assert said in message


async def test_the_policy_is_about_the_operator_alone(asked: Asked) -> None:
    assert await asked.patch(labelled(other="label"), who=SOMEBODY) == (200, "")
