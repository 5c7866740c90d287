"""The claims of a workspace: their names, what they ask for, and how far they have come."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kaito.api import labels, machine, nodeclaim
from kaito.api.machine import MACHINES, Machine
from kaito.api.nodeclaim import NODECLAIMS, NodeClaim
from kaito.api.workspace import Workspace
from kaito.kube.conditions import condition
from kaito.kube.objects import Condition, KubeObject, Manifest
from kaito.kube.resource import Resource
from kaito.nodes.selector import match_labels

Claim = Machine | NodeClaim

_NAME_DIGITS = 9
_DIGITS = string.digits + string.ascii_lowercase
_PLACE = re.compile(r"([0-9]{1,3})/([0-9]{1,6})")
_NOT_LAUNCHED = "MachineNotLaunched"
"""Reason with which karpenter-core marks a Machine that nobody has looked at yet."""
LAUNCH_FAILED = "LaunchFailed"
"""Reason with which karpenter-core leaves Launched Unknown while it tries again."""
_TIMED_OUT = "TimedOut"


class ClaimState(StrEnum):
    """How far a claim has come, as far as a workspace cares."""

    PENDING = "Pending"
    READY = "Ready"
    FAILED = "Failed"
    DELETING = "Deleting"


def claim_name(workspace_uid: str, ordinal: int, attempt: int) -> str:
    """Name of a claim for one node of a workspace: a legal agent pool name, 11 characters.

    Computed, never drawn: doing the step twice meets the same name.
    """
    digest = hashlib.sha256(f"{workspace_uid}/node/{ordinal}/{attempt}".encode()).digest()
    number = int.from_bytes(digest, "big")
    digits = []
    for _ in range(_NAME_DIGITS):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return f"ws{''.join(digits)}"


def claim_place(claim: KubeObject) -> tuple[int, int]:
    """Which node of its workspace a claim is for, and the how-manieth try it is, both from 0.

    A claim that does not say so stands in nobody's place: it is kept, and never replaced.
    """
    found = _PLACE.fullmatch(claim.metadata.annotations.get(labels.CLAIM_PLACE, ""))
    return (int(found[1]), int(found[2])) if found else (-1, 0)


def is_made_for(claim: KubeObject, workspace_uid: str) -> bool:
    """Whether a claim was made for that very workspace; one without its label has the name yet."""
    mark = claim.metadata.labels.get(labels.CREATED_FOR)
    if mark is not None:
        return mark == workspace_uid
    return claim.metadata.name == claim_name(workspace_uid, *claim_place(claim))


def claim_type(claim: Claim) -> str:
    """Instance type that a claim asks for."""
    return next(iter(claim.spec.values(labels.INSTANCE_TYPE)), "")


def claim_state(claim: Claim) -> ClaimState:
    """How far `claim` has come."""
    if claim.is_deleting:
        return ClaimState.DELETING
    ready = condition(claim.status.conditions, machine.READY)
    if ready and ready.status == "True":
        return ClaimState.READY
    reason, _ = claim_failure(claim)
    return ClaimState.FAILED if reason else ClaimState.PENDING


def claim_failure(claim: Claim) -> tuple[str, str]:
    """Reason and message of a launch that failed or a deadline that passed; two times "" if none.

    Of later stages only deadlines count: what else they report may pass by itself.
    """
    launched, *later = stages(claim)
    found = condition(claim.status.conditions, launched)
    if found and (found.status == "False" or found.reason == LAUNCH_FAILED):
        return ("", "") if found.reason == _NOT_LAUNCHED else _said(found)
    for stage in later:
        found = condition(claim.status.conditions, stage)
        if found and found.status == "False" and found.reason.endswith(_TIMED_OUT):
            return _said(found)
    return "", ""


def _said(found: Condition) -> tuple[str, str]:
    """Reason and message of a condition; it need not name a reason."""
    return found.reason or LAUNCH_FAILED, found.message


def claim_stage(claim: Claim) -> str:
    """The sentence that says what a claim waits for, or why it failed."""
    for stage in stages(claim):
        found = condition(claim.status.conditions, stage)
        if found is None:
            return f"{claim.metadata.name} waits for {stage}"
        if found.status != "True":
            said = found.message or found.reason or "no reason given"
            return f"{claim.metadata.name} is not {stage}: {said}"
    return f"{claim.metadata.name} waits for Ready"


def stages(claim: Claim) -> tuple[str, ...]:
    """Types of the conditions that a claim goes through before it is Ready."""
    found = nodeclaim if isinstance(claim, NodeClaim) else machine
    return (found.LAUNCHED, found.REGISTERED, found.INITIALIZED)


def resource_of(claim: Claim) -> Resource[Machine] | Resource[NodeClaim]:
    """Where a claim lives."""
    return NODECLAIMS if isinstance(claim, NodeClaim) else MACHINES


@dataclass(frozen=True, slots=True)
class Wish:
    """One node that a workspace needs.

    Attributes:
        ordinal: which of its nodes, from 0.
        attempt: the how-manieth claim for that node, from 0.
        instance_type: what to buy.
        storage: size of the node's disk, a Kubernetes quantity; "" leaves it to the cloud.
        node_class: GROUP/KIND/NAME of the class of a NodeClaim; "" asks by a Machine.
    """

    ordinal: int
    attempt: int
    instance_type: str
    storage: str
    node_class: str = ""

    @property
    def resource(self) -> Resource[Machine] | Resource[NodeClaim]:
        """Where the claim is created."""
        return NODECLAIMS if self.node_class else MACHINES


def rendered_claim(workspace: Workspace, wish: Wish) -> Manifest:
    """The Machine or NodeClaim for one node of a workspace."""
    name = claim_name(workspace.metadata.uid, wish.ordinal, wish.attempt)
    annotations = {labels.CLAIM_PLACE: f"{wish.ordinal}/{wish.attempt}"}
    if wish.node_class:
        annotations[labels.DO_NOT_DISRUPT] = "true"
    return {
        "apiVersion": wish.resource.api_version,
        "kind": wish.resource.kind,
        "metadata": {
            "name": name,
            "labels": {
                **match_labels(workspace.resource.label_selector),
                **_manager(wish),
                labels.WORKSPACE: workspace.metadata.name,
                labels.WORKSPACE_NAMESPACE: workspace.metadata.namespace,
                labels.CREATED_FOR: workspace.metadata.uid,
            },
            "annotations": annotations,
        },
        "spec": {
            **_class(wish, name),
            "requirements": [_in(key, value) for key, value in _required(wish).items()],
            "taints": [
                {
                    "key": labels.SKU_TAINT_KEY,
                    "value": labels.SKU_TAINT_VALUE,
                    "effect": "NoSchedule",
                }
            ],
            "resources": {"requests": {"storage": wish.storage} if wish.storage else {}},
        },
    }


def contradiction(workspace: Workspace, wish: Wish) -> str:
    """Why a node that is bought by `wish` would not carry the selector's labels; "" if it does."""
    had = {**_required(wish), labels.HOSTNAME: "a name of its own"}
    for key, value in match_labels(workspace.resource.label_selector).items():
        if had.get(key, value) != value:
            return (
                f"resource.labelSelector: asks for {key}={value}, and a node that is bought has"
                f" {had[key]}: bring such a node, or delete the Workspace and create it anew"
                " with a label of your own"
            )
    return ""


def _required(wish: Wish) -> dict[str, str]:
    """Labels that a claim asks of its node, whatever the selector says."""
    return {
        labels.INSTANCE_TYPE: wish.instance_type,
        **_manager(wish),
        labels.MACHINE_TYPE: "gpu",
        labels.ARCH: "amd64",
        labels.OPERATING_SYSTEM: "linux",
    }


def _manager(wish: Wish) -> dict[str, str]:
    """The label that says whose claims these are."""
    return {labels.NODEPOOL: "kaito"} if wish.node_class else {labels.PROVISIONER_NAME: "default"}


def traced(claim: Manifest, reconcile: str) -> Manifest:
    """The claim, with the id of the reconcile that creates it: the provisioner logs it."""
    metadata = claim["metadata"]
    if not reconcile or not isinstance(metadata, Mapping):
        return claim
    notes = {**metadata["annotations"], labels.CREATED_BY: reconcile}
    return {**claim, "metadata": {**metadata, "annotations": notes}}


def _class(wish: Wish, name: str) -> Manifest:
    """Who is to carry the claim out: a class for a NodeClaim, a template for a Machine."""
    if not wish.node_class:
        return {"machineTemplateRef": {"name": name}}
    group, kind, class_name = wish.node_class.split("/")
    return {
        "nodeClassRef": {"group": group, "kind": kind, "name": class_name},
        # Left out, it is 30 days, after which Karpenter deletes the node under the model.
        "expireAfter": "Never",
    }


def _in(key: str, value: str) -> Manifest:
    """The requirement that the label `key` is `value`."""
    return {"key": key, "operator": "In", "values": [value]}
