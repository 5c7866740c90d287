"""Paths, addresses and ports of a cluster."""

from __future__ import annotations

import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from hack.cluster.layout import SLOT_COUNT, Layout, loopback
from tests.unit.cluster.layouts import a_layout


def test_a_nominal_address_keeps_its_last_three_octets_on_loopback() -> None:
    assert loopback("10.224.3.7") == "127.224.3.7"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "192.168.1.1", "10.1", "10.1.2.3.4", "", "fe80::1"]
)
def test_what_is_no_nominal_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        loopback(address)


def test_the_clusters_of_all_slots_share_no_address() -> None:
    taken: set[str] = set()
    for slot in range(SLOT_COUNT):
        layout = a_layout(slot)
        own = {
            str(ip_network(layout.service_cidr)),
            str(ip_network(f"{layout.node_prefix}0.0/16")),
            str(ip_network(f"{layout.pod_prefix}0.0/16")),
        }
        assert len(own) == 3
        assert not own & taken
        taken |= own


def test_every_address_that_bytes_flow_on_is_loopback() -> None:
    layout = a_layout(15)

    for address in (
        loopback(layout.node_address(1)),
        loopback(layout.pod_address(65534)),
        layout.api_service_ip,
    ):
        assert ip_address(address).is_loopback


def test_two_numbers_never_give_the_same_pod_address() -> None:
    layout = a_layout()

    assert len({layout.pod_address(number) for number in range(1, 65535)}) == 65534


@pytest.mark.parametrize("number", [0, -1, 65535])
def test_a_number_outside_the_range_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        a_layout().node_address(number)


def test_a_layout_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = a_layout(slot=7, home=tmp_path / "home")

    layout.save()

    assert Layout.load(tmp_path / "home") == layout


def test_the_line_for_other_shells_puts_the_cluster_s_programs_first(tmp_path: Path) -> None:
    layout = a_layout(home=tmp_path / "a cluster's")
    layout.binaries.mkdir(parents=True)
    program = layout.binaries / "kubectl"
    program.write_text('#!/bin/sh\necho "$KUBECONFIG"\n')
    program.chmod(0o755)

    done = subprocess.run(
        ["bash", "-euc", f"{layout.exports}\nkubectl"], capture_output=True, text=True, check=True
    )

    assert done.stdout == f"{layout.admin_kubeconfig}\n"
