"""Which resources the API in memory serves, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from kaito.api.machine import MACHINES
from kaito.api.nodeclaim import NODECLAIMS
from kaito.api.workspace import WORKSPACES
from kaito.kube.events import EVENTS
from kaito.kube.kinds import (
    DEPLOYMENTS,
    JOBS,
    LEASES,
    NODES,
    PODS,
    SERVICES,
    STATEFULSETS,
)
from kaito.kube.objects import KubeObject
from kaito.kube.resource import Resource

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", KubeObject)
CRDS = Resource(
    *("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"),
    KubeObject,
    namespaced=False,
)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", KubeObject, namespaced=False)
THINGS = Resource("test.io", "v1", "things", "Thing", KubeObject)
"""A custom Kind that the engine's own tests are about."""
WIDGETS = Resource("bench.example", "v1", "widgets", "Widget", KubeObject)
"""A custom Kind that stands for any: benchmarks are about nothing else."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One served resource.

    Attributes:
        api_version: of its objects.
        plural: name in paths.
        name: of the Kind.
        namespaced: whether objects live in namespaces.
        has_status: whether `status` is written through its own subresource only.
        counts: whether metadata.generation counts changes of anything but the status.
        blind: whether a replace may come without a resourceVersion.
    """

    api_version: str
    plural: str
    name: str
    namespaced: bool
    has_status: bool
    counts: bool
    blind: bool

    @property
    def prefix(self) -> str:
        """Path of the group and version."""
        root = "apis" if "/" in self.api_version else "api"
        return f"/{root}/{self.api_version}"


@dataclass(frozen=True, slots=True)
class Address:
    """What a path names; empty fields are not in it."""

    kind: Kind
    namespace: str
    name: str
    subresource: str


_CUSTOM = (WORKSPACES, MACHINES, NODECLAIMS, THINGS, WIDGETS)
_COUNTED = (DEPLOYMENTS, STATEFULSETS, JOBS)
_WITH_STATUS = (NODES, PODS, SERVICES)
_PLAIN = (LEASES, EVENTS, CONFIG_MAPS, CRDS, NAMESPACES)


def _kind(resource: Resource[KubeObject], *, has_status: bool, counts: bool, blind: bool) -> Kind:
    return Kind(
        api_version=resource.api_version,
        plural=resource.plural,
        name=resource.kind,
        namespaced=resource.namespaced,
        has_status=has_status,
        counts=counts,
        blind=blind,
    )


KINDS = (
    *(_kind(each, has_status=True, counts=True, blind=False) for each in _CUSTOM),
    *(_kind(each, has_status=True, counts=True, blind=True) for each in _COUNTED),
    *(_kind(each, has_status=True, counts=False, blind=True) for each in _WITH_STATUS),
    *(_kind(each, has_status=False, counts=False, blind=each is not LEASES) for each in _PLAIN),
)


@lru_cache(4096)
def address(path: str) -> Address | None:
    """What a path names; None when nothing of the kind is served."""
    for kind in KINDS:
        prefix = f"{kind.prefix}/"
        if path.startswith(prefix):
            found = _address(kind, path.removeprefix(prefix).split("/"))
            if found:
                return found
    return None


def _address(kind: Kind, words: list[str]) -> Address | None:
    namespace = ""
    if kind.namespaced and words[0] == "namespaces" and len(words) > 2:
        _, namespace, *words = words
    if words[0] != kind.plural or len(words) > 3:
        return None
    _, name, subresource = (*words, "", "")[:3]
    return Address(kind, namespace, name, subresource)
