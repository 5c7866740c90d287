"""Names of claims, what they ask for, and what their conditions mean."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

import pytest

from kaito.api.machine import Machine
from kaito.nodes.claim import (
    ClaimState,
    Wish,
    claim_name,
    claim_stage,
    claim_state,
    contradiction,
    rendered_claim,
)
from tests.unit.controllers.workspace.worlds import UID, WISH, workspace
from tests.unit.nodes.builders import claim

POOL_NAME = re.compile(r"[a-z][a-z0-9]{0,10}")
"""What AKS takes for a Linux pool, and the one character less that provisioners allow."""

UIDS = [str(UUID(int=number)) for number in range(200)]

PLACES = [(ordinal, attempt) for ordinal in range(5) for attempt in range(3)]

LAUNCHED = ("MachineLaunched", "True", "")
REGISTERED = ("MachineRegistered", "True", "")
INITIALIZED = ("MachineInitialized", "True", "")


def test_a_claim_s_name_is_a_legal_name_of_an_agent_pool() -> None:
    names = {claim_name(uid, ordinal, attempt) for uid in UIDS for ordinal, attempt in PLACES}

    assert all(POOL_NAME.fullmatch(name) for name in names)


def test_every_node_of_every_workspace_has_a_name_of_its_own() -> None:
    names = [claim_name(uid, ordinal, attempt) for uid in UIDS for ordinal, attempt in PLACES]

    assert len(set(names)) == len(names)


def test_a_claim_s_name_never_changes() -> None:
    # sha256("0a1b2c3d-0000-4000-8000-000000000001/node/0/0") in base 36, by another program: a
    # controller that named the same node otherwise after an upgrade would buy it twice.
    assert claim_name(UID, 0, 0) == "wsk5perrc1u"
    assert claim_name(UID, 1, 0) == "wslfdchy8v5"
    assert claim_name(UID, 0, 1) == "wsxsf04w1rl"


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (claim(), ClaimState.PENDING),
        (claim(LAUNCHED), ClaimState.PENDING),
        (claim(LAUNCHED, REGISTERED, INITIALIZED), ClaimState.PENDING),
        (claim(("MachineLaunched", "Unknown", "")), ClaimState.PENDING),
        (claim(LAUNCHED, ("MachineRegistered", "False", "")), ClaimState.PENDING),
        (claim(("MachineLaunched", "False", "no quota")), ClaimState.FAILED),
        (claim(LAUNCHED, ("Ready", "False", "")), ClaimState.PENDING),
        (claim(LAUNCHED, ("Ready", "True", "")), ClaimState.READY),
        (claim(LAUNCHED, ("Ready", "True", ""), deleting=True), ClaimState.DELETING),
        (claim(("MachineLaunched", "False", ""), deleting=True), ClaimState.DELETING),
    ],
)
def test_conditions_say_how_far_a_claim_has_come(found: Machine, state: ClaimState) -> None:
    assert claim_state(found) is state


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (claim(), "ws1 waits for MachineLaunched"),
        (claim(LAUNCHED), "ws1 waits for MachineRegistered"),
        (claim(LAUNCHED, REGISTERED), "ws1 waits for MachineInitialized"),
        (claim(LAUNCHED, REGISTERED, INITIALIZED), "ws1 waits for Ready"),
        (
            claim(("MachineLaunched", "False", "SKU is not available in westus")),
            "ws1 is not MachineLaunched: SKU is not available in westus",
        ),
        (
            claim(LAUNCHED, ("MachineRegistered", "Unknown", "")),
            "ws1 is not MachineRegistered: no reason given",
        ),
    ],
)
def test_the_first_stage_that_is_not_done_is_what_users_are_told(
    found: Machine, sentence: str
) -> None:
    assert claim_stage(found) == sentence


def test_a_claim_asks_for_what_the_workspace_asks_for() -> None:
    found = rendered_claim(workspace(), WISH)

    name = claim_name(UID, 0, 0)
    assert found == {
        "apiVersion": "karpenter.sh/v1alpha5",
        "kind": "Machine",
        "metadata": {
            "name": name,
            "labels": {
                "apps": "phi",
                "karpenter.sh/provisioner-name": "default",
                "kaito.sh/workspace": "w",
                "kaito.sh/workspacenamespace": "default",
                "kaito.sh/workspace-uid": UID,
            },
            "annotations": {"kaito.sh/claim": "0/0"},
        },
        "spec": {
            "machineTemplateRef": {"name": name},
            "requirements": [
                {
                    "key": "node.kubernetes.io/instance-type",
                    "operator": "In",
                    "values": ["Standard_X"],
                },
                {"key": "karpenter.sh/provisioner-name", "operator": "In", "values": ["default"]},
                {"key": "kaito.sh/machine-type", "operator": "In", "values": ["gpu"]},
                {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
            ],
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            "resources": {"requests": {"storage": "50Gi"}},
        },
    }


def test_a_selector_cannot_say_whose_a_node_is() -> None:
    liar = workspace(
        resource={
            "instanceType": "Standard_X",
            "labelSelector": {"matchLabels": {"apps": "phi", "kaito.sh/workspace-uid": "another"}},
        }
    )

    made = Machine.model_validate(rendered_claim(liar, WISH))

    assert made.metadata.labels["kaito.sh/workspace-uid"] == UID


ANOTHER_CLASS = replace(WISH, node_class="karpenter.azure.com/AKSNodeClass/default")


@pytest.mark.parametrize(
    ("wish", "key", "value", "said"),
    [
        (WISH, "kubernetes.io/arch", "arm64", "has amd64"),
        (WISH, "node.kubernetes.io/instance-type", "Standard_Y", "has Standard_X"),
        (WISH, "karpenter.sh/provisioner-name", "mine", "has default"),
        (WISH, "kaito.sh/machine-type", "cpu", "has gpu"),
        (WISH, "kubernetes.io/hostname", "mine", "has a name of its own"),
        (ANOTHER_CLASS, "karpenter.sh/nodepool", "mine", "has kaito"),
        (WISH, "karpenter.sh/nodepool", "mine", ""),
        (WISH, "kubernetes.io/arch", "amd64", ""),
        (WISH, "node.kubernetes.io/instance-type", "Standard_X", ""),
        (WISH, "kaito.sh/machine-type", "gpu", ""),
        (WISH, "apps", "phi", ""),
    ],
)
def test_a_label_that_a_bought_node_has_otherwise_is_told(
    wish: Wish, key: str, value: str, said: str
) -> None:
    resource = {"instanceType": "Standard_X", "labelSelector": {"matchLabels": {key: value}}}

    found = contradiction(workspace(resource=resource), wish)

    assert (f"resource.labelSelector: asks for {key}={value}" in found) == bool(said)
    assert said in found
    assert bool(found) == bool(said)
