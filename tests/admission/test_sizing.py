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
from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog, read_catalog
from kaito.catalog.names import Names
from kaito.controllers.workspace.check import check_spec
from kaito.kube.client import Client
from kaito.nodes.hardware import verdict
from kaito.sizing.verdicts import verdicts
from tests.admission.cases import GONE, SERVING, TUNING, Case
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
UNKNOWN = Case("unknown type", SERVING, {"resource.instanceType": "Standard_Z"})
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


def serving(model: str, type_: str, *, count: int = 1) -> Case:
    """A model on a type."""
    return Case(
        f"{model} on {count} {type_}",
        SERVING,
        {"inference.preset.name": model, "resource.instanceType": type_, "resource.count": count},
    )


def tuning(model: str, type_: str, method: str) -> Case:
    """A model to tune on a type."""
    return Case(
        f"{method} of {model} on {type_}",
        TUNING,
        {
            "tuning.preset.name": model,
            "resource.instanceType": type_,
            "tuning.method": method,
        },
    )


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


PRIVATE: dict[str, Any] = {
    "inference.preset": {
        "name": "llama-2-7b",
        "accessMode": "private",
        "presetOptions": {"image": "registry.example/llama:1"},
    }
}
SPOKEN = (
    (
        Case("an unknown preset", SERVING, {"inference.preset.name": "phi-44"}),
        "inference.preset.name: no preset is named phi-44",
    ),
    (
        UNKNOWN,
        (
            "resource.instanceType: Standard_Z is not in the table of GPU instance types: check its"
            " spelling, upper and lower case count"
        ),
    ),
    (
        Case("an unknown one of several", SERVING, {"resource.instanceTypes": ["Standard_Z"]}),
        "resource.instanceTypes[0]: Standard_Z is not in the table",
    ),
    (
        Case(
            "a small one of several",
            SERVING,
            {
                "inference.preset.name": "phi-4",
                "resource.instanceTypes": ["Standard_NC40ads_H100_v5", "Standard_NC6s_v3"],
            },
        ),
        (
            "resource.instanceTypes[1]: phi-4 needs 31.94 GiB on each GPU for its weights, 2048"
            " tokens and the run-time, Standard_NC6s_v3 has 1 GPU with 16 GiB, of which 13.44 GiB"
            " can be used: choose a larger instance type"
        ),
    ),
    (
        serving("falcon-40b", "Standard_NC6s_v3"),
        (
            "resource.instanceType: falcon-40b needs one GPU with 90 GiB to serve by its authors'"
            " figure, Standard_NC6s_v3 has 1 GPU with 16 GiB: choose a larger instance type"
        ),
    ),
    (
        Case("a public llama", SERVING, {"inference.preset.name": "llama-2-7b"}),
        (
            "inference.preset: llama-2-7b has no public image: set accessMode to private and"
            " presetOptions.image to yours"
        ),
    ),
)


@pytest.mark.parametrize(
    ("case", "sentence"), SPOKEN, ids=lambda given: getattr(given, "about", "")
)
async def test_the_controller_says_the_same_in_the_status(
    door: Door, case: Case, sentence: str
) -> None:
    seen = observed(workspace=Workspace.model_validate(case.wire()), catalog=CATALOG)

    assert sentence in await door.refusal(case.wire())
    assert sentence in check_spec(seen).message


@pytest.mark.parametrize(
    "case",
    [
        serving("microsoft/PHI-4", "Standard_NC24ads_A100_v4"),
        serving("phi-3-mini-128k-instruct", "Standard_NC6s_v3"),
        tuning("phi-3-mini-4k-instruct", "Standard_NC6s_v3", "qLoRA"),
        Case("no type", SERVING, {"resource.instanceType": GONE}),
        Case("an empty type", SERVING, {"resource.instanceType": ""}),
        Case("a template", SERVING, {"inference": {"template": {"spec": {}}}}),
        Case("an image of one's own", SERVING, PRIVATE),
        Case(
            "a model that does not fit, and a user who says that it does",
            SERVING,
            {
                "inference.preset.name": "phi-4",
                "resource.instanceType": "Standard_NC6s_v3",
                "metadata.annotations": {"kaito.sh/bypass-resource-checks": "true"},
            },
        ),
        Case(
            "a type of no table, and a user who brings nodes of it",
            SERVING,
            {
                "resource.instanceType": "rack-1",
                "metadata.annotations": {"kaito.sh/bypass-resource-checks": "true"},
            },
        ),
        serving("llama-3.3-70b-instruct", "Standard_NV6ads_A10_v5", count=9),
    ],
    ids=lambda case: case.about,
)
async def test_everything_else_is_admitted(door: Door, case: Case) -> None:
    assert await door.refusal(case.wire()) == ""


def untunable(about: str, **preset: Any) -> Case:
    """A model that cannot be tuned, and a user who says that it fits."""
    changes = {
        "tuning.preset": preset,
        "resource.instanceType": "Standard_NC24ads_A100_v4",
        "metadata.annotations": {"kaito.sh/bypass-resource-checks": "true"},
    }
    return Case(about, TUNING, changes)


OWN = {"accessMode": "private", "presetOptions": {"image": "registry.example/llama:1"}}
NOT_OFFERED = "cannot be tuned: the preset's authors do not offer it"


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        (
            untunable("served by vllm", name="gpt-oss-20b"),
            f"tuning.preset.name: gpt-oss-20b {NOT_OFFERED}",
        ),
        (
            untunable("on transformers", name="falcon-7b-instruct"),
            f"tuning.preset.name: falcon-7b-instruct {NOT_OFFERED}",
        ),
        (
            untunable("of an image without a trainer", name="phi-4-mini-instruct"),
            (
                "tuning.preset.name: phi-4-mini-instruct cannot be tuned: image"
                " kaito-vllm holds no trainer: tune a model whose image is KAITO's"
                " own on transformers"
            ),
        ),
        (
            untunable("of a private image", name="llama-2-7b"),
            "tuning.preset: llama-2-7b has no public image",
        ),
        (
            untunable("of one's own image", name="llama-2-7b", **OWN),
            f"tuning.preset.name: llama-2-7b {NOT_OFFERED}",
        ),
    ],
    ids=lambda given: getattr(given, "about", ""),
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
