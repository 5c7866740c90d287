"""Command lines of the control plane."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hack.cluster import controlplane
from hack.cluster.layout import Layout
from hack.cluster.process import Program
from tests.unit.cluster.layouts import a_layout

LAYOUT = a_layout(slot=4)
PARTS = {
    "etcd": controlplane.etcd,
    "kube-apiserver": controlplane.api_server,
    "kube-controller-manager": controlplane.controller_manager,
    "kube-scheduler": controlplane.scheduler,
}


def flags(program: Program) -> dict[str, str]:
    words = (word.removeprefix("--").partition("=") for word in program.command[1:])
    return {name: value for name, _, value in words}


@pytest.mark.parametrize("name", PARTS)
def test_nothing_listens_beyond_loopback(name: str) -> None:
    for flag, value in flags(PARTS[name](LAYOUT)).items():
        if "bind-address" in flag or "urls" in flag:
            assert value.removeprefix("https://").startswith("127.0.0.1"), flag


@pytest.mark.parametrize("name", PARTS)
def test_every_part_serves_tls_with_a_certificate_of_the_cluster(name: str) -> None:
    given = flags(PARTS[name](LAYOUT))

    certificate = given.get("tls-cert-file") or given["cert-file"]
    assert Path(certificate).parent == LAYOUT.pki
    assert "http://" not in " ".join(given.values())


def test_access_is_decided_by_rbac() -> None:
    given = flags(controlplane.api_server(LAYOUT))

    assert given["authorization-mode"] == "Node,RBAC"
    assert "anonymous-auth" not in given


def test_the_api_server_never_advertises_a_loopback_address() -> None:
    assert flags(controlplane.api_server(LAYOUT))["advertise-address"] == "10.250.0.1"


def test_only_peers_of_the_same_authority_may_use_etcd() -> None:
    given = flags(controlplane.etcd(LAYOUT))

    assert given["client-cert-auth"] == given["peer-client-cert-auth"] == "true"
    assert given["trusted-ca-file"] != str(LAYOUT.ca_certificate)


def test_parts_see_nothing_of_the_users_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    for part in PARTS.values():
        assert part(LAYOUT).environment == {"PATH": "/usr/bin:/bin"}


def test_the_api_server_reaches_the_cluster_through_the_proxys_socket(tmp_path: Path) -> None:
    layout: Layout = a_layout(home=tmp_path)

    controlplane.write_egress_configuration(layout)

    path = flags(controlplane.api_server(layout))["egress-selector-config-file"]
    selection = json.loads(Path(path).read_text())["egressSelections"][0]
    assert selection["name"] == "cluster"
    assert selection["connection"]["transport"] == {
        "uds": {"udsName": f"{tmp_path}/run/egress.sock"}
    }
