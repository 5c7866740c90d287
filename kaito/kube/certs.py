"""The certificate of the metrics port: from a folder where there is one, else signed by itself.

Who scrapes without a certificate authority of the cluster's own gets privacy on the wire and no
proof of who answers, as with every operator that makes its own certificate. Keys made here are
never on a disk.
"""

from __future__ import annotations

import os
import ssl
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kaito.kube.clock import Clock

CERTIFICATE, KEY = "tls.crt", "tls.key"
"""Names of the files, as in a Secret of type kubernetes.io/tls."""

_LIFETIME = timedelta(days=3650)
_SKEW = timedelta(hours=1)


class Certificate:
    """What a server shows its callers; files that change are read again.

    Attributes:
        context: for the server; connections that begin after a change show the new one.
    """

    def __init__(self, folder: Path | None, *, name: str, clock: Clock) -> None:
        """Make or read one.

        Args:
            folder: of `CERTIFICATE` and `KEY`; None makes one.
            name: whom a made one speaks for.
            clock: says from when it holds.

        Raises:
            OSError: the files are not there, or are no certificate and its key.
        """
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._folder = folder
        self._stamp = 0
        if folder is None:
            _load(self.context, made(name, clock))
        else:
            self.refresh()

    def refresh(self) -> None:
        """Read the files again if they have changed."""
        if self._folder is None:
            return
        stamp = (self._folder / CERTIFICATE).stat().st_mtime_ns
        if stamp != self._stamp:
            self.context.load_cert_chain(self._folder / CERTIFICATE, self._folder / KEY)
            self._stamp = stamp


def made(name: str, clock: Clock) -> bytes:
    """A new key and a certificate that it signs itself, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Give a context what is in memory: OpenSSL's own call takes paths only."""
    memory = os.memfd_create("certificate")
    try:
        os.write(memory, pem)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
