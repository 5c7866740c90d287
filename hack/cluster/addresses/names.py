"""What a cluster's DNS would say of its Services, as lines of a hosts file.

Pure: Services and EndpointSlices in, text out. A Service has its cluster IP; one without has the
addresses of its pods, and a pod with a host name (those of a StatefulSet) has a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hack.cluster.addresses.routes import (
    API_SERVICE,
    SERVICE_NAME_LABEL,
    EndpointSlice,
    Service,
    ready_endpoints,
)
from hack.cluster.layout import Layout, loopback
from kaito.kube.objects import Ref

DOMAIN = "cluster.local"


def names(
    layout: Layout,
    services: Iterable[Service],
    slices: Iterable[EndpointSlice],
    *,
    namespace: str,
) -> str:
    """Lines that pods of a namespace get; the API server's Service is left out.

    Args:
        layout: of the cluster.
        services: of all namespaces.
        slices: likewise.
        namespace: in which names of Services need no more.
    """
    by_service: dict[Ref, list[EndpointSlice]] = {}
    for part in slices:
        name = part.metadata.labels.get(SERVICE_NAME_LABEL, "")
        by_service.setdefault(Ref(part.metadata.namespace, name), []).append(part)
    lines: set[str] = set()
    for service in services:
        if service.ref == API_SERVICE:
            continue
        for address, name in _records(layout, service, by_service.get(service.ref, ())):
            lines.add(f"{address} {' '.join(_forms(name, service.ref, namespace))}\n")
    return "".join(sorted(lines))


def _records(
    layout: Layout, service: Service, slices: Iterable[EndpointSlice]
) -> Iterator[tuple[str, str]]:
    """Addresses, and what is called so, short of the namespace."""
    name = service.metadata.name
    if service.spec.cluster_ip not in ("", "None"):
        yield service.spec.cluster_ip, name
        return
    for part in slices:
        for endpoint in ready_endpoints(part):
            for host in endpoint.addresses:
                if host.startswith((layout.pod_prefix, layout.node_prefix)):
                    yield loopback(host), name
                    if endpoint.hostname:
                        yield loopback(host), f"{endpoint.hostname}.{name}"


def _forms(name: str, service: Ref, namespace: str) -> tuple[str, ...]:
    """The full name, and what a resolver's search list would complete to it."""
    within = f"{name}.{service.namespace}"
    short = (name,) if service.namespace == namespace else ()
    return f"{within}.svc.{DOMAIN}", f"{within}.svc", within, *short
