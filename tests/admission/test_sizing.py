"""What needs the catalogue: the policies' answers, beside those of sizing and of the controller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from hack.cluster.layout import Layout
from hack.cluster.probe import Probe
from kaito.api.reasons import Reason
from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog, read_catalog
from kaito.catalog.names import Names
from kaito.controllers.workspace.check import check_spec
from kaito.kube.client import Client
from kaito.nodes.hardware import verdict
from kaito.sizing.verdicts import verdicts
from tests.admission.cases import SERVING, Case, adapter
from tests.admission.catalogued import (
    ADMITTED,
    SPOKEN,
    TOKEN,
    UNKNOWN,
    UNTUNABLE,
    serving,
    tuning,
)
from tests.admission.door import DRY, Door, collection
from tests.unit.controllers.workspace.worlds import observed

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

CATALOG = read_catalog(Path("presets"), origin="kaito")
FOLDER = Path("manifests/admission")
OBJECTS = [
    wire
    for name in ("sizing.yaml", "policies.yaml")
    for wire in yaml.safe_load_all((FOLDER / name).read_text())
]
COLLECTIONS = {
    "ConfigMap": "/api/v1/namespaces/kaito-system/configmaps",
    "ValidatingAdmissionPolicy": (
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    ),
    "ValidatingAdmissionPolicyBinding": (
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
    ),
}
TABLE = next(wire for wire in OBJECTS if wire["kind"] == "ConfigMap")
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kaito-system"}}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def policies(door: Door) -> AsyncIterator[None]:
    """The policies with their table, for the tests of this file."""
    await door.client.request("POST", "/api/v1/namespaces", body=NAMESPACE)
    for wire in OBJECTS:
        await door.client.request("POST", COLLECTIONS[wire["kind"]], body=wire)
    await until_refused(door, UNKNOWN)
    yield
    for wire in reversed(OBJECTS):
        await door.client.request("DELETE", _path(wire))
    await until_admitted(door, UNKNOWN)


async def until_refused(door: Door, case: Case) -> None:
    """Ask until the policies are in force; the test's own limit ends it."""
    while not await door.refusal(case.wire()):
        pass


async def until_admitted(door: Door, case: Case) -> None:
    """Ask until they are not."""
    while await door.refusal(case.wire()):
        pass


def _path(wire: Mapping[str, Any]) -> str:
    return f"{COLLECTIONS[wire['kind']]}/{wire['metadata']['name']}"


SAMPLE = [
    serving(model.name, sku.name, count=count)
    for number, model in enumerate(CATALOG.models())
    for place, sku in enumerate(CATALOG.skus.values())
    for count in ((1, 2, 8)[(number + place) % 3],)
    if model.access != "private" and (number + place) % 7 == 0
]
TUNED = [
    tuning(model.name, sku.name, method)
    for number, model in enumerate(CATALOG.models())
    for place, sku in enumerate(CATALOG.skus.values())
    for method in ("lora", "QLoRA")
    if model.access != "private" and (number + place) % 23 == 0
]


async def test_the_policy_says_what_sizing_says_word_for_word(door: Door) -> None:
    fitting = 0
    for case in (*SAMPLE, *TUNED):
        workspace = Workspace.model_validate(case.wire())
        work = workspace.inference or workspace.tuning
        assert work is not None
        assert work.preset is not None
        sku = CATALOG.skus[workspace.resource.instance_type or ""]
        answer = verdict(workspace, CATALOG.presets[work.preset.name], sku)
        fitting += answer.fits

        refusal = await door.refusal(case.wire())

        assert bool(refusal) is not answer.fits, case.about
        assert answer.fits or refusal.endswith(answer.sentence), case.about

    assert len(SAMPLE) > 400
    assert len(TUNED) > 100
    assert 100 < fitting < 500


@pytest.mark.parametrize(
    ("case", "sentence"), SPOKEN, ids=lambda given: getattr(given, "about", "")
)
async def test_the_controller_says_the_same_in_the_status(
    door: Door, case: Case, sentence: str
) -> None:
    seen = observed(workspace=Workspace.model_validate(case.wire()), catalog=CATALOG)

    assert sentence in await door.refusal(case.wire())
    assert sentence in check_spec(seen).message


@pytest.mark.parametrize("case", ADMITTED, ids=lambda case: case.about)
async def test_everything_else_is_admitted(door: Door, case: Case) -> None:
    seen = observed(workspace=Workspace.model_validate(case.wire()), catalog=CATALOG)

    assert await door.refusal(case.wire()) == ""
    assert check_spec(seen).satisfied, check_spec(seen).message


async def test_of_more_nodes_than_the_table_has_the_controller_alone_speaks(door: Door) -> None:
    case = serving("llama-3.3-70b-instruct", "Standard_NV6ads_A10_v5", count=9)
    seen = observed(workspace=Workspace.model_validate(case.wire()), catalog=CATALOG)

    assert int(TABLE["data"]["most"]) < 9
    assert await door.refusal(case.wire()) == ""
    assert check_spec(seen).reason is Reason.NOT_ENOUGH_MEMORY


@pytest.mark.parametrize(
    ("case", "sentence"), UNTUNABLE, ids=lambda given: getattr(given, "about", "")
)
async def test_what_cannot_be_tuned_is_refused_by_both_whatever_the_user_says_of_memory(
    door: Door, case: Case, sentence: str
) -> None:
    seen = observed(workspace=Workspace.model_validate(case.wire()), catalog=CATALOG)

    step = check_spec(seen)

    assert sentence in await door.refusal(case.wire())
    assert sentence in step.message
    assert not step.satisfied


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
async def test_a_type_that_is_no_longer_sold_is_a_warning_that_names_a_successor(
    layout: Layout, version: str
) -> None:
    old = {**serving("phi-3-mini-4k-instruct", "Standard_NC6s_v3").wire()}
    old["apiVersion"] = f"kaito.sh/{version}"

    assert (
        "Standard_NC6s_v3: the cloud stopped selling it on 2025-09-30, use Standard_NC4as_T4_v3"
        in await warning(layout, old)
    )
    assert await warning(layout, SERVING) == ""


async def warning(layout: Layout, wire: Mapping[str, Any]) -> str:
    """What kubectl would print beside the success of a creation."""
    port = layout.ports.api_server
    connector = aiohttp.TCPConnector(ssl=Probe.as_admin(layout, port).context)
    url = f"https://127.0.0.1:{port}{collection(wire)}"
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(url, params=DRY, json=wire) as answer,
    ):
        assert answer.status == 201, await answer.text()
        return answer.headers.get("Warning", "")


async def test_kubectl_sees_no_difference_to_what_is_shipped(layout: Layout) -> None:
    kubectl = (str(layout.binaries / "kubectl"), "--kubeconfig", str(layout.admin_kubeconfig))

    ended = await asyncio.create_subprocess_exec(
        *kubectl, "diff", "-k", str(FOLDER), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await ended.communicate()

    assert told == b""
    assert ended.returncode == 0


LEFT_BEHIND = serving("phi-3-mini-4k-instruct", "Standard_NC6s_v3")
SHRUNK = verdicts(
    Catalog(
        presets=Names({"phi-4": CATALOG.presets["phi-4"]}),
        skus={sku.name: sku for sku in CATALOG.skus.values() if sku.retired is None},
    )
)


EMPTY = verdicts(Catalog(presets=Names({}), skus={}))


@pytest.mark.parametrize("table", [SHRUNK, EMPTY], ids=["shrunk", "empty"])
async def test_when_the_catalogue_shrinks_what_is_there_can_be_kept_and_deleted(
    door: Door, table: Mapping[str, str]
) -> None:
    await door.client.request("POST", collection(LEFT_BEHIND.base), body=LEFT_BEHIND.wire())
    await replaced(door.client, table)
    await until_refused(door, LEFT_BEHIND)

    await patched(door, {"metadata": {"finalizers": ["workspace.finalizer.kaito.sh"]}})
    await patched(door, {"metadata": {"labels": {"upgraded": "true"}}})
    await patched(door, {"metadata": {"annotations": {"kaito.sh/enablelb": "True"}}})
    await door.client.request("DELETE", object_path())
    await patched(door, {"metadata": {"finalizers": []}})

    assert await door.refusal(SERVING) != ""
    await replaced(door.client, TABLE["data"])
    await until_admitted(door, LEFT_BEHIND)


async def test_a_table_without_a_row_lets_everything_through(door: Door) -> None:
    await replaced(door.client, {})

    await until_admitted(door, UNKNOWN)

    await replaced(door.client, TABLE["data"])
    await until_refused(door, UNKNOWN)


async def test_a_token_that_opens_nothing_is_no_reason_to_keep_what_is_there_as_it_is(
    door: Door,
) -> None:
    await replaced(door.client, {})
    await until_admitted(door, TOKEN)
    await door.client.request("POST", collection(TOKEN.base), body=TOKEN.wire())
    await replaced(door.client, TABLE["data"])
    await until_refused(door, TOKEN)

    await patched(door, {"inference": {"adapters": [adapter()]}})

    stored = await door.client.request("DELETE", object_path())
    assert isinstance(stored, dict)
    assert stored["status"] == "Success"


async def test_without_a_table_everything_is_let_through(door: Door) -> None:
    await door.client.request("DELETE", _path(TABLE))

    await until_admitted(door, UNKNOWN)

    await door.client.request("POST", COLLECTIONS["ConfigMap"], body=TABLE)
    await until_refused(door, UNKNOWN)


async def replaced(client: Client, data: Mapping[str, str]) -> None:
    """Give the table other entries."""
    await client.request("PUT", _path(TABLE), body={**TABLE, "data": data})


def object_path() -> str:
    return f"{collection(SERVING)}/{SERVING['metadata']['name']}"


async def patched(door: Door, patch: Mapping[str, object]) -> None:
    await door.client.request(
        "PATCH", object_path(), body=patch, content_type="application/merge-patch+json"
    )
