"""Certificates, keys and kubeconfigs of a cluster."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID

from hack.cluster.layout import Layout
from hack.cluster.pki import create_pki, serving_certificate
from tests.unit.cluster.layouts import a_layout


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = a_layout(slot=2, home=tmp_path_factory.mktemp("home"))
    create_pki(layout)
    return layout


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Let two TLS ends talk in memory; returns the server's end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert near.version() == "TLSv1.3"
    return far


def serving(layout: Layout, name: str, *, client_ca: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(layout.certificate(name), layout.key(name))
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


def asking(ca: Path, layout: Layout | None = None, name: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    if layout:
        context.load_cert_chain(layout.certificate(name), layout.key(name))
    return context


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.98.0.1", "kubernetes.default.svc"])
def test_the_api_server_is_trusted_under_each_of_its_names(layout: Layout, name: str) -> None:
    handshake(serving(layout, "apiserver"), asking(layout.ca_certificate), name)


def test_the_api_server_is_not_trusted_under_another_name(layout: Layout) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(serving(layout, "apiserver"), asking(layout.ca_certificate), "example.org")


@pytest.mark.parametrize(
    ("name", "user", "group"),
    [
        ("admin", "kubernetes-admin", "system:masters"),
        ("node", "kaito-local-node", "system:masters"),
        ("controller-manager", "system:kube-controller-manager", ""),
        ("scheduler", "system:kube-scheduler", ""),
    ],
)
def test_a_client_is_known_by_user_and_group(
    layout: Layout, name: str, user: str, group: str
) -> None:
    server = serving(layout, "apiserver", client_ca=layout.ca_certificate)

    far = handshake(server, asking(layout.ca_certificate, layout, name), "localhost")

    presented = far.getpeercert(binary_form=True)
    assert presented
    subject = x509.load_der_x509_certificate(presented).subject
    assert names(subject, NameOID.COMMON_NAME) == [user]
    assert names(subject, NameOID.ORGANIZATION_NAME) == [group] * bool(group)


def names(subject: x509.Name, kind: x509.ObjectIdentifier) -> list[str | bytes]:
    return [attribute.value for attribute in subject.get_attributes_for_oid(kind)]


def test_a_certificate_of_the_cluster_does_not_open_etcd(layout: Layout) -> None:
    server = serving(layout, "etcd", client_ca=layout.certificate("etcd-ca"))

    handshake(server, asking(layout.certificate("etcd-ca"), layout, "etcd-client"), "localhost")
    with pytest.raises(ssl.SSLError):
        handshake(server, asking(layout.certificate("etcd-ca"), layout, "admin"), "localhost")


def test_the_arm_server_has_an_authority_of_its_own(layout: Layout) -> None:
    handshake(serving(layout, "arm"), asking(layout.arm_ca_certificate), "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(serving(layout, "arm"), asking(layout.ca_certificate), "127.0.0.1")


def test_a_kubelet_serves_under_its_nominal_address(layout: Layout) -> None:
    serving_certificate(layout, "node-1", ("10.18.0.1",))

    handshake(serving(layout, "node-1"), asking(layout.ca_certificate), "10.18.0.1")


def test_service_account_tokens_are_rs256(layout: Layout) -> None:
    key = serialization.load_pem_private_key(layout.service_account_key.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    token = jwt.encode({"sub": "x"}, key, algorithm="RS256")

    public = layout.service_account_public_key.read_text()

    assert jwt.decode(token, public, algorithms=["RS256"]) == {"sub": "x"}


def test_private_keys_are_for_their_owner_only(layout: Layout) -> None:
    keys = list(layout.pki.glob("*.key"))

    assert len(keys) > 8
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}


def test_a_kubeconfig_names_the_server_and_existing_credentials(layout: Layout) -> None:
    content = json.loads(layout.admin_kubeconfig.read_text())

    cluster = content["clusters"][0]["cluster"]
    user = content["users"][0]["user"]
    assert cluster["server"] == "https://127.0.0.1:3"
    for path in (cluster["certificate-authority"], *user.values()):
        assert Path(path).is_file()
