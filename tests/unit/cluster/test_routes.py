"""Which listeners the Services of a cluster ask for."""

from __future__ import annotations

from hack.cluster.addresses.routes import Address, EndpointSlice, Service, routes
from tests.unit.cluster.layouts import a_layout

LAYOUT = a_layout(slot=1)
API = Address("127.97.0.1", 443)


def a_service(ip: str = "127.97.5.6", **port: object) -> Service:
    return Service.model_validate(
        {
            "metadata": {"namespace": "default", "name": "chat"},
            "spec": {"clusterIP": ip, "ports": [{"name": "http", "port": 80, **port}]},
        }
    )


def a_slice(*endpoints: dict[str, object], port: object = 5000) -> EndpointSlice:
    return EndpointSlice.model_validate(
        {
            "metadata": {
                "namespace": "default",
                "name": "chat-abc",
                "labels": {"kubernetes.io/service-name": "chat"},
            },
            "endpoints": list(endpoints),
            "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        }
    )


def an_endpoint(address: str, *, ready: bool | None = True) -> dict[str, object]:
    return {"addresses": [address], "conditions": {"ready": ready}}


def test_the_api_server_is_behind_its_own_service() -> None:
    assert routes(LAYOUT, [], []) == {API: (Address("127.0.0.1", 3),)}


def test_a_service_leads_to_its_ready_endpoints_on_loopback() -> None:
    part = a_slice(
        an_endpoint("10.225.0.2"),
        an_endpoint("10.225.0.1", ready=None),
        an_endpoint("10.225.0.3", ready=False),
    )

    found = routes(LAYOUT, [a_service()], [part])

    assert found[Address("127.97.5.6", 80)] == (
        Address("127.225.0.1", 5000),
        Address("127.225.0.2", 5000),
    )


def test_a_service_without_a_ready_endpoint_is_closed() -> None:
    part = a_slice(an_endpoint("10.225.0.1", ready=False))

    assert routes(LAYOUT, [a_service()], [part]).keys() == {API}


def test_slices_of_one_service_add_up() -> None:
    parts = [a_slice(an_endpoint("10.225.0.1")), a_slice(an_endpoint("10.225.0.2"), port=5001)]

    found = routes(LAYOUT, [a_service()], parts)

    assert [endpoint.port for endpoint in found[Address("127.97.5.6", 80)]] == [5000, 5001]


def test_a_headless_service_has_no_listener() -> None:
    part = a_slice(an_endpoint("10.225.0.1"))

    assert routes(LAYOUT, [a_service(ip="None")], [part]).keys() == {API}


def test_udp_is_left_out() -> None:
    part = a_slice(an_endpoint("10.225.0.1"))

    assert routes(LAYOUT, [a_service(protocol="UDP")], [part]).keys() == {API}


def test_a_port_of_another_name_is_not_taken() -> None:
    part = a_slice(an_endpoint("10.225.0.1"))

    assert routes(LAYOUT, [a_service(name="torch")], [part]).keys() == {API}


def test_an_endpoint_outside_the_cluster_is_never_dialled() -> None:
    part = a_slice(an_endpoint("10.224.0.1"), an_endpoint("93.184.216.34"))

    assert routes(LAYOUT, [a_service()], [part]).keys() == {API}


def test_an_endpoint_slice_without_lists_is_empty() -> None:
    part = EndpointSlice.model_validate({"endpoints": None, "ports": None})

    assert routes(LAYOUT, [a_service()], [part]).keys() == {API}
