"""The page of claims: its samples are accepted, and asked for as it says."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest
import pytest_asyncio
import yaml

from kaito.api import labels
from kaito.api.machine import Machine, MachineSpec
from kaito.api.nodeclaim import NodeClaim, NodeClaimSpec
from provisioner.azure.agentpool import body
from provisioner.controllers.machine.kinds import MACHINE, NODE_CLAIM
from provisioner.controllers.machine.order import order
from tests.bystander import Bystander, until
from tests.delivery.overlays import MANIFESTS, is_bare
from tests.delivery.pages import ROOT, sample

pytestmark = pytest.mark.timeout(400)

NAME = "docs/reference/claims.md"
PAGE = (ROOT / NAME).read_text()
DEFINITIONS = sorted((MANIFESTS / "components" / "karpenter-crds").glob("karpenter.sh_*.yaml"))
BORN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def defined(empty: Bystander) -> AsyncIterator[Bystander]:
    """The server, with both Kinds in it."""
    words = [word for path in DEFINITIONS for word in ("-f", str(path))]
    applied = await empty.kubectl("apply", *words)
    assert applied.code == 0, applied.errors
    for path in ("v1alpha5/machines", "v1/nodeclaims"):
        await until(f"{path} to be served", partial(empty.get, f"/apis/karpenter.sh/{path}"))
    yield empty
    gone = await empty.kubectl("delete", *words)
    assert gone.code == 0, gone.errors
    await until("the definitions to be gone", lambda: is_bare(empty))


@pytest.mark.asyncio(loop_scope="package")
@pytest.mark.parametrize("kind", ["Machine", "NodeClaim"])
async def test_a_sample_is_accepted(defined: Bystander, kind: str) -> None:
    dry = ("create", "--dry-run=server", "--validate=strict", "-f", "-")

    done = await defined.kubectl(*dry, stdin=sample(NAME, kind))

    assert done.code == 0, done.errors


def test_every_field_of_both_kinds_is_on_the_page() -> None:
    fields = [
        str(field.alias or name)
        for spec in (MachineSpec, NodeClaimSpec)
        for name, field in spec.model_fields.items()
    ]

    assert "startupTaints" in fields
    assert [each for each in fields if f"`spec.{each}`" not in PAGE] == []


def test_the_samples_are_asked_for_as_the_page_says() -> None:
    machine = Machine.model_validate(yaml.safe_load(sample(NAME, "Machine")))
    claim = NodeClaim.model_validate(yaml.safe_load(sample(NAME, "NodeClaim")))

    plain, whole = (
        json.loads(json.dumps(body(each)["properties"]))
        for each in (order(MACHINE, machine, now=BORN), order(NODE_CLAIM, claim, now=BORN))
    )

    assert (MACHINE.owns(machine), NODE_CLAIM.owns(claim)) == (True, True)
    assert {key: plain.get(key) for key in ("vmSize", "osSKU", "osDiskSizeGB")} == {
        "vmSize": "Standard_NC4as_T4_v3",
        "osSKU": "Ubuntu",
        "osDiskSizeGB": 120,
    }
    assert {key: whole[key] for key in ("vmSize", "osSKU", "availabilityZones", "nodeTaints")} == {
        "vmSize": "Standard_NC24ads_A100_v4",
        "osSKU": "AzureLinux",
        "availabilityZones": ["1", "2"],
        "nodeTaints": ["sku=gpu:NoSchedule"],
    }
    assert whole["scaleSetPriority"] == "Spot"
    assert whole["nodeLabels"]["team"] == "research"


def test_keys_of_requirements_are_those_that_an_order_reads() -> None:
    source = (ROOT / "provisioner/controllers/machine/order.py").read_text()
    read = set(re.findall(r"spec\.(?:values|is_narrowed)\(labels\.(\w+)\)", source))
    said = re.findall(r"^\| `([\w.-]+/[\w-]+)` \|", PAGE, re.MULTILINE)

    assert {getattr(labels, name) for name in read} == set(said)
