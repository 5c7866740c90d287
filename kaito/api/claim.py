"""What Machine and NodeClaim have in common: requirements, taints, resources, status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from kaito.api.schema import FreeForm, Quantity
from kaito.kube.objects import KubeModel
from kaito.kube.sharing import Shared, SharedWords


class Requirement(KubeModel):
    """A node selector requirement: what the node's label `key` must be."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class Taint(KubeModel):
    """A taint that the node carries."""

    key: str
    effect: str
    value: str = ""
    time_added: str | None = Field(default=None, json_schema_extra={"format": "date-time"})


class Resources(KubeModel):
    """What must be allocatable on the node."""

    requests: Annotated[Mapping[str, Quantity], SharedWords] = {}


class TemplateRef(KubeModel):
    """The template that the claim was made from; carried, not read."""

    name: str
    kind: str = ""
    api_version: str = ""


class ClaimSpec(KubeModel):
    """The part of a claim's spec that both Kinds share."""

    requirements: Annotated[tuple[Requirement, ...], Shared] = ()
    taints: Annotated[tuple[Taint, ...], Shared] = ()
    startup_taints: Annotated[tuple[Taint, ...], Shared] = ()
    resources: Resources = Resources()

    def values(self, key: str) -> tuple[str, ...]:
        """Values that all `In` requirements on `key` allow and no `NotIn` forbids, sorted.

        Empty when no `In` requirement is stated, and when nothing is left.
        """
        allowed = [set(each.values) for each in self._on(key, "In")]
        forbidden = (each.values for each in self._on(key, "NotIn"))
        return tuple(sorted(set.intersection(*allowed).difference(*forbidden))) if allowed else ()

    def is_narrowed(self, key: str) -> bool:
        """Whether an `In` or `NotIn` requirement is stated for `key`."""
        return bool(self._on(key, "In") or self._on(key, "NotIn"))

    def _on(self, key: str, operator: str) -> list[Requirement]:
        return [each for each in self.requirements if each.key == key and each.operator == operator]


class ClaimStatus(KubeModel):
    """The part of a claim's status that both Kinds share."""

    node_name: str = ""
    provider_id: str = Field(default="", alias="providerID")
    capacity: Annotated[Mapping[str, Quantity], SharedWords] = {}
    allocatable: Annotated[Mapping[str, Quantity], SharedWords] = {}


Kubelet = FreeForm
"""Kubelet settings of v1alpha5; AKS owns the kubelet, so they are carried and not read."""
