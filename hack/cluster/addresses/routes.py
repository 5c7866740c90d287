"""Which listeners the Services ask for, and which loopback endpoints are behind each.

Pure: Services and EndpointSlices in, routes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from hack.cluster.layout import Layout, loopback
from kaito.kube.objects import KubeModel, KubeObject, Ref
from kaito.kube.resource import Resource

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
API_SERVICE = Ref("default", "kubernetes")
API_SERVICE_PORT = 443
TCP = "TCP"


class ServicePort(KubeModel):
    """One port of a Service."""

    name: str = ""
    port: int
    protocol: str = TCP


class ServiceSpec(KubeModel):
    """What of a Service decides where it listens."""

    cluster_ip: str = Field(default="", alias="clusterIP")
    ports: tuple[ServicePort, ...] = ()


class Service(KubeObject):
    """A Service, as the proxy reads it."""

    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(KubeModel):
    """Whether an endpoint may get traffic."""

    ready: bool | None = None


class Endpoint(KubeModel):
    """One pod behind a Service."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str | None = None


class EndpointPort(KubeModel):
    """The target port behind the Service port of the same name."""

    name: str | None = None
    port: int | None = None
    protocol: str | None = None


class EndpointSlice(KubeObject):
    """Some of the endpoints of one Service."""

    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[EndpointPort, ...] | None = None


SERVICES = Resource("", "v1", "services", "Service", Service)
ENDPOINT_SLICES = Resource(
    "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", EndpointSlice
)


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IPv4 address and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Routes = Mapping[Address, tuple[Address, ...]]
"""For each address to listen on, the endpoints behind it: at least one, in stable order."""


def routes(layout: Layout, services: Iterable[Service], slices: Iterable[EndpointSlice]) -> Routes:
    """All routes of the cluster: ports without a ready endpoint have none."""
    by_service: dict[Ref, list[EndpointSlice]] = {}
    for part in slices:
        name = part.metadata.labels.get(SERVICE_NAME_LABEL, "")
        by_service.setdefault(Ref(part.metadata.namespace, name), []).append(part)
    found: dict[Address, tuple[Address, ...]] = {
        # Its endpoint is the API server's nominal address, which nothing listens on.
        Address(layout.api_service_ip, API_SERVICE_PORT): (
            Address("127.0.0.1", layout.ports.api_server),
        )
    }
    for service in services:
        if service.ref == API_SERVICE or service.spec.cluster_ip in ("", "None"):
            continue
        for port in service.spec.ports:
            behind = _endpoints(layout, port, by_service.get(service.ref, ()))
            if port.protocol == TCP and behind:
                found[Address(service.spec.cluster_ip, port.port)] = behind
    return found


def _endpoints(
    layout: Layout, port: ServicePort, slices: Iterable[EndpointSlice]
) -> tuple[Address, ...]:
    found = {
        Address(loopback(host), number)
        for part in slices
        for number in _target_ports(part, port)
        for host in _ready_hosts(part)
        if host.startswith((layout.pod_prefix, layout.node_prefix))
    }
    return tuple(sorted(found))


def _target_ports(part: EndpointSlice, port: ServicePort) -> Iterator[int]:
    for candidate in part.ports or ():
        same = (candidate.name or "") == port.name and (candidate.protocol or TCP) == TCP
        if same and candidate.port:
            yield candidate.port


def ready_endpoints(part: EndpointSlice) -> Iterator[Endpoint]:
    """Endpoints that may get traffic; what is not known counts as ready: so says the API."""
    return (one for one in part.endpoints or () if one.conditions.ready is not False)


def _ready_hosts(part: EndpointSlice) -> Iterator[str]:
    for endpoint in ready_endpoints(part):
        yield from endpoint.addresses
