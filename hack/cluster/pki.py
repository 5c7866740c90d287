"""Keys and certificates of one cluster: made anew for each, gone with its home.

Three authorities that do not trust each other: the cluster's (API server, its clients, the
kubelet API), etcd's, and the ARM server's. Keys are on the P-256 curve, which is quick to
make, except the one that signs ServiceAccount tokens: those are RS256, as everywhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hack.cluster.layout import Layout

LIFETIME = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)
MASTERS = "system:masters"
LOCAL_NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Party:
    """Who a certificate speaks for.

    Attributes:
        name: file name of its certificate and key, without suffix.
        common_name: CN; the user name where it is a client of the API server.
        organization: O; the group. "" for none.
        hosts: DNS names and IP addresses that it serves; none for a mere client.
    """

    name: str
    common_name: str
    organization: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with its key in memory."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str) -> Authority:
        """A fresh self-signed authority of that common name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name, "")
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _builder(subject, subject, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Authority:
        """Read an authority that `save` has written."""
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key} holds no elliptic-curve key")
        return cls(x509.load_pem_x509_certificate(certificate.read_bytes()), private)

    def save(self, certificate: Path, key: Path) -> None:
        """Write both as PEM; the key is for its owner only."""
        certificate.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(key, self.key)

    def issue(self, party: Party, folder: Path) -> tuple[Path, Path]:
        """Write `folder`/NAME.crt and NAME.key, good for serving and for being a client.

        Returns:
            The paths of the certificate and of the key.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(party.common_name, party.organization)
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = _builder(subject, self.certificate.subject, key)
        if party.hosts:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in party.hosts])
            builder = builder.add_extension(names, critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(authority, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        paths = folder / f"{party.name}.crt", folder / f"{party.name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(paths[1], key)
        return paths


def create_pki(layout: Layout) -> None:
    """Write all credentials of a new cluster into its home."""
    layout.pki.mkdir(parents=True, exist_ok=True)
    layout.pki.chmod(0o700)
    cluster = Authority.create("kaito-local")
    cluster.save(layout.ca_certificate, layout.ca_key)
    for party in _cluster_parties(layout):
        cluster.issue(party, layout.pki)
    etcd = Authority.create("kaito-local-etcd")
    etcd.save(layout.certificate("etcd-ca"), layout.key("etcd-ca"))
    etcd.issue(Party("etcd", "etcd", hosts=LOCAL_NAMES), layout.pki)
    etcd.issue(Party("etcd-client", "kube-apiserver"), layout.pki)
    arm = Authority.create("kaito-local-arm")
    arm.save(layout.arm_ca_certificate, layout.key("arm-ca"))
    arm.issue(Party("arm", "arm", hosts=LOCAL_NAMES), layout.pki)
    _write_token_keys(layout)
    for name in ("admin", "node", "controller-manager", "scheduler"):
        write_kubeconfig(layout, name)


def serving_certificate(layout: Layout, name: str, hosts: tuple[str, ...]) -> tuple[Path, Path]:
    """Issue a certificate of the cluster's authority, e.g. for one node's kubelet API.

    Args:
        layout: the cluster, whose pki folder takes the files.
        name: file name without suffix.
        hosts: DNS names and IP addresses; for a kubelet its nominal address, which is
            the one that the API server asks for.

    Returns:
        The paths of the certificate and of the key.
    """
    authority = Authority.load(layout.ca_certificate, layout.ca_key)
    return authority.issue(Party(name, name, hosts=hosts), layout.pki)


def write_kubeconfig(layout: Layout, name: str) -> Path:
    """Write `home`/NAME.kubeconfig for the client certificate of that name.

    It names the credentials by absolute path and is JSON, which is YAML as well.
    """
    cluster = {"server": layout.api_url, "certificate-authority": str(layout.ca_certificate)}
    user = {
        "client-certificate": str(layout.certificate(name)),
        "client-key": str(layout.key(name)),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kaito-local", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [
            {"name": "kaito-local", "context": {"cluster": "kaito-local", "user": name}},
        ],
        "current-context": "kaito-local",
    }
    path = layout.home / f"{name}.kubeconfig"
    path.write_text(json.dumps(content, indent=2) + "\n")
    path.chmod(0o600)
    return path


def _cluster_parties(layout: Layout) -> tuple[Party, ...]:
    service = "kubernetes.default.svc"
    api_names = ("kubernetes", "kubernetes.default", service, f"{service}.cluster.local")
    return (
        Party(
            "apiserver", "kube-apiserver", hosts=(*LOCAL_NAMES, layout.api_service_ip, *api_names)
        ),
        Party("apiserver-kubelet-client", "kube-apiserver-kubelet-client", MASTERS),
        Party("admin", "kubernetes-admin", MASTERS),
        Party("node", "kaito-local-node", MASTERS),
        Party("controller-manager", "system:kube-controller-manager", hosts=LOCAL_NAMES),
        Party("scheduler", "system:kube-scheduler", hosts=LOCAL_NAMES),
        Party("registry", "registry", hosts=LOCAL_NAMES),
    )


def _write_token_keys(layout: Layout) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_key(layout.service_account_key, key)
    layout.service_account_public_key.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _subject(common_name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
