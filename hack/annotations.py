"""The annotations that mean something, for the page of a Workspace's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kaito.api import labels
from provisioner.azure.agentpool import IMAGE_FAMILIES

HEAD = ("annotation", "on", "set by", "what it does")
_FAMILIES = ", ".join(f'`"{family}"`' for family in IMAGE_FAMILIES)


class Meaning(NamedTuple):
    """What an annotation is for.

    Attributes:
        on: the objects that have it.
        by: who puts it there.
        text: its values, and what follows from them.
    """

    on: str
    by: str
    text: str


ANNOTATIONS: Mapping[str, Meaning] = {
    labels.ENABLE_LOAD_BALANCER: Meaning(
        "Workspace",
        "you",
        '`"True"`: the Service becomes a LoadBalancer, for a trial. **Whoever reaches its address'
        " may use the model: no server of a preset asks for a key.** Its ports are 80 and 29500; at"
        " the second nobody listens, but where nodes serve one model together. For more than a"
        " trial: an ingress or a gateway that asks who calls.",
    ),
    labels.BYPASS_RESOURCE_CHECKS: Meaning(
        "Workspace",
        "you",
        '`"true"`: that a model does not fit, or that a type is in no table, is a warning only.',
    ),
    labels.BYPASS_PLACEHOLDER_CHECKS: Meaning(
        "Workspace",
        "you",
        '`"true"`: words such as `NAME_HERE` in the spec are meant so, and are no placeholders that'
        " nobody has filled in.",
    ),
    labels.NODE_IMAGE_FAMILY: Meaning(
        "Machine, NodeClaim",
        "you, on a claim that you make yourself; those of a Workspace have none",
        f"System of the node, one of {_FAMILIES}; the first without it. Our provisioner reads it.",
    ),
    labels.CLAIM_PLACE: Meaning(
        "Machine, NodeClaim",
        "`kaito`",
        "`ORDINAL/ATTEMPT`: for which node of the Workspace, and the how-manieth try.",
    ),
    labels.CREATED_BY: Meaning(
        "Machine, NodeClaim",
        "`kaito`",
        "Id of the pass that made the claim, in [both logs](events.md).",
    ),
    labels.DO_NOT_DISRUPT: Meaning(
        "NodeClaim",
        "`kaito`",
        '`"true"`: no Karpenter moves the model for the sake of packing.',
    ),
    labels.POOL_NAME: Meaning(
        "Machine, NodeClaim",
        "`provisioner`",
        "Name of the agent pool, where the claim's own is none that Azure takes.",
    ),
    labels.REVISION: Meaning(
        "Deployment, StatefulSet, Job",
        "`kaito`",
        "Hash of what it was made from: another [rolls it](../guides/upgrades.md#whom-it-rolls).",
    ),
}
"""By name, those of people first."""
