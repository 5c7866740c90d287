"""Slots and ports: several clusters on one machine."""

from __future__ import annotations

import socket

from hack.cluster.layout import Ports
from hack.cluster.slots import free_ports, held_slot

FIRST_EPHEMERAL_PORT = 32768


def test_two_clusters_at_a_time_have_different_slots() -> None:
    with held_slot() as first, held_slot() as second:
        assert first != second


def test_a_slot_is_free_again_afterwards() -> None:
    with held_slot() as first:
        pass

    with held_slot() as second:
        assert second == first


def test_the_ports_of_all_slots_are_different_and_never_those_of_outgoing_connections() -> None:
    ports = [port for slot in range(16) for port in free_ports(slot).model_dump().values()]

    assert len(ports) == len(set(ports)) == 16 * len(Ports.model_fields)
    assert max(ports) < FIRST_EPHEMERAL_PORT


def test_a_port_that_something_listens_on_is_passed_over() -> None:
    taken = free_ports(15).etcd
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken))
        other.listen()

        assert taken not in free_ports(15).model_dump().values()
