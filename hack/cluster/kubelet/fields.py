"""Fields of a pod, as its own containers may ask for them (the downward API). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hack.cluster.kubelet.pod import Container, FieldSelector, Pod, ResourceSelector
from hack.cluster.kubelet.quantity import in_units

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


class Unresolvable(Exception):
    """A value that a container asks for cannot be had, now or ever."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod runs; addresses are nominal.

    Attributes:
        node_name: of the node.
        host_ip: the node's address.
        pod_ip: the pod's own.
        allocatable: what the node offers, for limits that a container does not set.
    """

    node_name: str
    host_ip: str
    pod_ip: str
    allocatable: Mapping[str, str]


def field(pod: Pod, place: Place, selector: FieldSelector) -> str:
    """The value of a field as text.

    Raises:
        Unresolvable: pods have no such field, or none that may be asked for.
    """
    path = selector.field_path
    if subscript := _SUBSCRIPT.match(path):
        values = pod.metadata.labels if subscript[1] == "labels" else pod.metadata.annotations
        return values.get(subscript[2], "")
    known = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "metadata.labels": _lines(pod.metadata.labels),
        "metadata.annotations": _lines(pod.metadata.annotations),
        "spec.nodeName": place.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": place.host_ip,
        "status.hostIPs": place.host_ip,
        "status.podIP": place.pod_ip,
        "status.podIPs": place.pod_ip,
    }
    if path not in known:
        raise Unresolvable(f"fieldPath {path!r} is not supported")
    return known[path]


def resource(
    pod: Pod, place: Place, selector: ResourceSelector, container: Container | None = None
) -> str:
    """A container's limit or request as a whole number of the selector's divisor.

    A limit that is not set is what the node has, as with any kubelet; a request that is
    not set is 0.

    Args:
        pod: whose container is meant.
        place: where it runs.
        selector: names the container, unless it means the one that asks.
        container: the one that asks; None in a volume, which must name one.

    Raises:
        Unresolvable: no such container or resource.
    """
    meant = _container(pod, selector.container_name) or container
    kind, _, name = selector.resource.partition(".")
    if meant is None or kind not in ("limits", "requests"):
        raise Unresolvable(f"resource {selector.resource!r} of {selector.container_name!r}")
    if kind == "requests":
        quantity = meant.resources.requests.get(name, "0")
    else:
        quantity = meant.resources.limits.get(name) or place.allocatable.get(name, "0")
    return in_units(quantity, selector.divisor)


def _container(pod: Pod, name: str) -> Container | None:
    everything = (*pod.spec.init_containers, *pod.spec.containers)
    return next((one for one in everything if name and one.name == name), None)


def _lines(values: Mapping[str, str]) -> str:
    return "\n".join(f'{key}="{value}"' for key, value in sorted(values.items()))
