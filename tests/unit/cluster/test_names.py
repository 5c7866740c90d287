"""What pods are told of each other's names."""

from __future__ import annotations

from hack.cluster.addresses.names import names
from hack.cluster.addresses.routes import EndpointSlice, Service
from tests.unit.cluster.layouts import a_layout

LAYOUT = a_layout(slot=1)


def a_service(name: str = "web", ip: str = "None", namespace: str = "default") -> Service:
    metadata = {"namespace": namespace, "name": name}
    return Service.model_validate({"metadata": metadata, "spec": {"clusterIP": ip}})


def a_slice(*endpoints: dict[str, object], of: str = "web") -> EndpointSlice:
    labels = {"kubernetes.io/service-name": of}
    metadata = {"namespace": "default", "name": f"{of}-abc", "labels": labels}
    return EndpointSlice.model_validate({"metadata": metadata, "endpoints": list(endpoints)})


def an_endpoint(address: str, hostname: str | None, *, ready: bool = True) -> dict[str, object]:
    return {"addresses": [address], "hostname": hostname, "conditions": {"ready": ready}}


def told(
    *services: Service, slices: tuple[EndpointSlice, ...] = (), namespace: str = "default"
) -> dict[str, set[str]]:
    """Addresses by name."""
    found: dict[str, set[str]] = {}
    for line in names(LAYOUT, services, slices, namespace=namespace).splitlines():
        address, *called = line.split()
        for name in called:
            found.setdefault(name, set()).add(address)
    return found


def test_a_service_has_the_names_that_a_resolver_would_complete() -> None:
    # https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
    found = told(a_service(ip="127.97.5.6"))

    assert found == {
        name: {"127.97.5.6"}
        for name in ("web", "web.default", "web.default.svc", "web.default.svc.cluster.local")
    }


def test_each_pod_of_a_headless_service_has_its_own_name_on_loopback() -> None:
    part = a_slice(an_endpoint("10.225.0.1", "web-0"), an_endpoint("10.225.0.2", "web-1"))

    found = told(a_service(), slices=(part,))

    assert found["web-0.web.default.svc.cluster.local"] == {"127.225.0.1"}
    assert found["web-1.web.default.svc"] == {"127.225.0.2"}
    assert found["web-1.web"] == {"127.225.0.2"}
    assert found["web"] == {"127.225.0.1", "127.225.0.2"}


def test_a_pod_that_is_not_published_has_no_name() -> None:
    part = a_slice(an_endpoint("10.225.0.1", "web-0", ready=False))

    assert told(a_service(), slices=(part,)) == {}


def test_a_pod_without_a_host_name_is_found_by_the_service_alone() -> None:
    found = told(a_service(), slices=(a_slice(an_endpoint("10.225.0.1", None)),))

    assert found["web.default.svc"] == {"127.225.0.1"}
    assert not [name for name in found if name.startswith("None")]


def test_from_another_namespace_the_short_name_means_nothing() -> None:
    found = told(a_service(ip="127.97.5.6"), namespace="elsewhere")

    assert set(found) == {"web.default", "web.default.svc", "web.default.svc.cluster.local"}


def test_an_address_outside_the_cluster_is_not_told() -> None:
    part = a_slice(an_endpoint("10.99.0.1", "web-0"), an_endpoint("192.0.2.1", "web-1"))

    assert told(a_service(), slices=(part,)) == {}


def test_the_api_server_is_left_to_the_pods_own_lines() -> None:
    assert told(a_service(name="kubernetes", ip="127.97.0.1")) == {}
