"""What a user may get wrong: refused by the API server, or reported within seconds."""

from __future__ import annotations

import json
from functools import partial

import pytest

from tests.admission.former import without_rules
from tests.bystander import Bystander, Json, condition, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

TUNING = {
    "preset": {"name": "phi-3-mini-4k-instruct"},
    "method": "qlora",
    "input": {"urls": ["https://example.invalid/data.parquet"]},
    "output": {"image": "registry.example/adapter:1", "imagePushSecret": "push"},
}


SELECTOR = {"labelSelector": {"matchLabels": {"apps": "phi-3"}}}
UNCHECKED = {
    "unknown": (
        quick_start("unknown", inference={"preset": {"name": "phi-3-mini-4k-instuct"}}),
        "UnknownPreset",
        "use one of phi-3-mini-4k-instruct",
    ),
    "typeless": (
        quick_start("typeless", resource={**SELECTOR, "instanceType": "Standard_Imaginary"}),
        "UnknownInstanceType",
        "resource.instanceType: Standard_Imaginary is not in the table",
    ),
    "untaught": (
        quick_start(
            "untaught",
            inference=None,
            tuning={**TUNING, "preset": {"name": "granite-4.1-8b"}},
        ),
        "Unsupported",
        "granite-4.1-8b cannot be tuned",
    ),
    "small": (
        quick_start("small", inference={"preset": {"name": "falcon-40b"}}),
        "NotEnoughGPUMemory",
        "Standard_NC6s_v3 has 1 GPU with 16 GiB",
    ),
}
"""What the controller alone refuses where the table is gone: manifest, reason and words."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            quick_start("neither", inference=None),
            "exactly one of inference and tuning must be set",
        ),
        (quick_start("both", tuning=TUNING), "exactly one of inference and tuning must be set"),
        (quick_start("1-digit-first"), "metadata.name must start with a letter"),
        (quick_start("w" * 53), "at most 52 characters long"),
        (
            quick_start("unknown", inference={"preset": {"name": "phi-3-mini-4k-instuct"}}),
            "inference.preset.name: no preset is named phi-3-mini-4k-instuct",
        ),
        (
            quick_start("small", inference={"preset": {"name": "falcon-40b"}}),
            "falcon-40b needs one GPU with 90 GiB to serve by its authors' figure",
        ),
        (
            quick_start("template-too", inference={"preset": {"name": "x"}, "template": {}}),
            "exactly one of inference.preset and inference.template must be set",
        ),
        (
            quick_start("private", inference={"preset": {"name": "x", "accessMode": "private"}}),
            "presetOptions.image must be set when accessMode is private",
        ),
    ],
    ids=[
        *("neither", "both", "digit first", "long name", "unknown preset", "too small"),
        *("preset and template", "no image"),
    ],
)
async def test_a_wrong_object_is_refused(cluster: Bystander, text: str, said: str) -> None:
    async def refusal() -> str:
        # A new server lets through what it has not yet read a policy for.
        tried = await cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text)
        return tried.errors if tried.code else ""

    assert said in await until("a refusal", refusal)


async def applied(cluster: Bystander, text: str) -> bool:
    return (await cluster.kubectl("apply", "-f", "-", stdin=text)).code == 0


async def test_without_the_table_the_same_is_reported_and_buys_nothing(
    cluster: Bystander,
) -> None:
    table = ("configmap", "kaito-sizing", "--namespace=kaito-system")
    kept = (await cluster.kubectl("get", *table, "--output=json")).output
    assert (await cluster.kubectl("delete", *table)).code == 0
    for text, _, _ in UNCHECKED.values():
        await until("nothing to be looked up", partial(applied, cluster, text))

    async def reported(name: str, reason: str) -> str:
        found = condition(await cluster.workspace(name), "ResourceReady")
        told = (found.get("reason"), found.get("status")) == (reason, "False")
        return str(found["message"]) if told else ""

    for name, (_, reason, words) in UNCHECKED.items():
        assert words in await until(f"{name} to be refused", partial(reported, name, reason))
        assert condition(await cluster.workspace(name), "Stalled")["status"] == "True"
        assert await cluster.machines(name) == []
    gone = await cluster.kubectl("delete", "workspace", *UNCHECKED, "--timeout=180s")
    assert gone.code == 0, gone.errors
    assert (await cluster.kubectl("create", "-f", "-", stdin=kept)).code == 0
    text, _, _ = UNCHECKED["unknown"]

    async def refused() -> bool:
        return (await cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text)).code != 0

    assert await until("the table to be looked up again", refused)


async def test_a_type_that_is_no_longer_sold_is_a_warning(cluster: Bystander) -> None:
    applied = await cluster.kubectl(
        "apply", "--dry-run=server", "-f", "-", stdin=quick_start("old")
    )

    assert applied.code == 0, applied.errors
    assert "Warning: " in applied.errors
    assert "stopped selling it on 2025-09-30, use Standard_NC4as_T4_v3" in applied.errors


async def test_the_instance_type_cannot_be_changed(cluster: Bystander) -> None:
    adapter = {"name": "a", "image": "ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1"}
    broken = {"preset": {"name": "phi-3-mini-4k-instruct"}, "adapters": [{"source": adapter}]}
    created = await cluster.kubectl(
        "apply", "-f", "-", stdin=quick_start("fixed", inference=broken)
    )
    assert created.code == 0, created.errors
    resource = {
        "instanceType": "Standard_NC24ads_A100_v4",
        "labelSelector": {"matchLabels": {"apps": "phi-3"}},
    }

    changed = await cluster.kubectl(
        "apply", "-f", "-", stdin=quick_start("fixed", inference=broken, resource=resource)
    )

    assert changed.code != 0
    assert "instanceType is immutable" in changed.errors
    assert "delete the Workspace and create it anew" in changed.errors
    assert (await cluster.kubectl("delete", "workspace", "fixed", "--timeout=180s")).code == 0


async def stalled(cluster: Bystander, name: str) -> Json:
    """What is said of a workspace that waits for a person, None until it does."""
    found = await cluster.workspace(name)
    stands = condition(found, "Stalled").get("status") == "True"
    return condition(found, "Ready") if stands else None


TWO = {**SELECTOR, "count": 2, "instanceType": "Standard_NV36ads_A10_v5"}
SQUATTED = {
    "squatted": quick_start("squatted"),
    # Its model needs both nodes, whose pods find each other by another Service.
    "crowd": quick_start("crowd", resource=TWO, inference={"preset": {"name": "granite-4.1-8b"}}),
}
SQUATTERS = {"squatted": "squatted", "crowd": "crowd-headless"}


@pytest.mark.parametrize("name", SQUATTED)
async def test_a_name_that_a_stranger_s_service_has_is_told_before_a_node_is_bought(
    cluster: Bystander, name: str
) -> None:
    service = SQUATTERS[name]
    assert (
        await cluster.kubectl("create", "service", "clusterip", service, "--tcp=80:80")
    ).code == 0
    applied = await cluster.kubectl("apply", "-f", "-", stdin=SQUATTED[name])
    assert applied.code == 0, applied.errors

    told = await until("that the name is taken", partial(stalled, cluster, name))

    assert told["reason"] == "NameTaken"
    assert f"Service {service} exists and belongs to somebody else" in told["message"]
    assert await cluster.machines(name) == []


@pytest.mark.parametrize("name", SQUATTED)
async def test_once_the_stranger_s_service_is_gone_a_node_is_bought(
    cluster: Bystander, name: str
) -> None:
    assert (await cluster.kubectl("delete", "service", SQUATTERS[name])).code == 0

    assert await until("a claim", partial(cluster.machines, name))

    deleted = await cluster.kubectl("delete", "workspace", name, "--timeout=180s")
    assert deleted.code == 0, deleted.errors


async def test_what_was_stored_before_there_was_a_rule_is_told_and_can_go(
    cluster: Bystander,
) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/workspaces.kaito.sh"
    spec = (await cluster.get(path))["spec"]
    patch = ("patch", "customresourcedefinition", "workspaces.kaito.sh", "--type=merge", "-p")
    lax = await cluster.kubectl(*patch, json.dumps({"spec": without_rules(spec)}))
    assert lax.code == 0, lax.errors
    text = quick_start("old-fashioned", inference=None)
    await until("it to be accepted", partial(applied, cluster, text))
    strict = await cluster.kubectl(*patch, json.dumps({"spec": spec}))
    assert strict.code == 0, strict.errors

    told = await until("that it cannot be", partial(stalled, cluster, "old-fashioned"))

    assert told["reason"] == "InvalidSpec"
    assert "exactly one of inference and tuning must be set" in told["message"]
    assert await cluster.machines("old-fashioned") == []
    deleted = await cluster.kubectl("delete", "workspace", "old-fashioned", "--timeout=180s")
    assert deleted.code == 0, deleted.errors
