"""The claims of a workspace: their names, what they ask for, and how far they have come."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from kaito.api import labels, machine
from kaito.api.machine import MACHINES, Machine
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset
from kaito.kube.conditions import condition
from kaito.kube.objects import Manifest
from kaito.nodes.selector import match_labels

_NAME_DIGITS = 9


class ClaimState(StrEnum):
    """How far a claim has come, as far as a workspace cares."""

    PENDING = "Pending"
    READY = "Ready"
    FAILED = "Failed"
    DELETING = "Deleting"


def claim_name(workspace_uid: str, ordinal: int) -> str:
    """Name of the claim for one node of a workspace: a legal agent pool name, 11 characters.

    Computed, never drawn: doing the step twice meets the same name.
    """
    digest = hashlib.sha256(f"{workspace_uid}/node/{ordinal}".encode()).hexdigest()
    return f"ws{digest[:_NAME_DIGITS]}"


def claim_state(claim: Machine) -> ClaimState:
    """How far `claim` has come."""
    if claim.is_deleting:
        return ClaimState.DELETING
    ready = condition(claim.status.conditions, machine.READY)
    if ready and ready.status == "True":
        return ClaimState.READY
    launched = condition(claim.status.conditions, machine.LAUNCHED)
    if launched and launched.status == "False":
        return ClaimState.FAILED
    return ClaimState.PENDING


def claim_stage(claim: Machine) -> str:
    """The sentence that says what a claim waits for, or why it failed."""
    for stage in (machine.LAUNCHED, machine.REGISTERED, machine.INITIALIZED):
        found = condition(claim.status.conditions, stage)
        if found is None:
            return f"{claim.metadata.name} waits for {stage}"
        if found.status != "True":
            said = found.message or found.reason or "no reason given"
            return f"{claim.metadata.name} is not {stage}: {said}"
    return f"{claim.metadata.name} waits for Ready"


def rendered_claim(
    workspace: Workspace, preset: Preset, *, ordinal: int, instance_type: str | None = None
) -> Manifest:
    """The Machine for one node of a workspace.

    Args:
        workspace: whom the node is for.
        preset: says how large the disk must be.
        ordinal: which of the workspace's nodes, from 0.
        instance_type: what to buy; None: what `resource.instanceType` names.
    """
    uid = workspace.metadata.uid
    name = claim_name(uid, ordinal)
    return {
        "apiVersion": MACHINES.api_version,
        "kind": MACHINES.kind,
        "metadata": {
            "name": name,
            "labels": {
                **match_labels(workspace.resource.label_selector),
                labels.PROVISIONER_NAME: "default",
                labels.WORKSPACE: workspace.metadata.name,
                labels.WORKSPACE_NAMESPACE: workspace.metadata.namespace,
                labels.CREATED_FOR: uid,
            },
        },
        "spec": {
            "machineTemplateRef": {"name": name},
            "requirements": [
                _in(labels.INSTANCE_TYPE, instance_type or workspace.resource.instance_type or ""),
                _in(labels.PROVISIONER_NAME, "default"),
                _in(labels.MACHINE_TYPE, "gpu"),
                _in(labels.ARCH, "amd64"),
                _in(labels.OPERATING_SYSTEM, "linux"),
            ],
            "taints": [
                {
                    "key": labels.SKU_TAINT_KEY,
                    "value": labels.SKU_TAINT_VALUE,
                    "effect": "NoSchedule",
                }
            ],
            "resources": {"requests": {"storage": preset.disk_storage}},
        },
    }


def _in(key: str, value: str) -> Manifest:
    """The requirement that the label `key` is `value`."""
    return {"key": key, "operator": "In", "values": [value]}
