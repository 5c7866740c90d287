"""The official releases of Kubernetes and etcd: downloaded into the cache, checked by SHA-256.

Many machines reach only a package mirror, so the first connection has three seconds; after
that the build with Go is the next way.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

from hack.cluster.failures import Unobtainable

KUBERNETES_SITE = "https://dl.k8s.io"
ETCD_SITE = "https://github.com/etcd-io/etcd/releases/download"
KUBERNETES_PARTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
CONNECT_SECONDS = 3.0
UNEXPECTED = (OSError, HTTPException, LookupError, ValueError, EOFError, tarfile.TarError)
"""What an unreachable site raises, one that breaks off, and one that answers something else."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Releases:
    """Where releases come from, and which ones.

    Attributes:
        kubernetes: version, e.g. "v1.36.3".
        etcd: version, e.g. "v3.6.8".
        report: takes lines of progress.
        kubernetes_site, etcd_site: addresses that the files are under.
    """

    kubernetes: str
    etcd: str
    report: Callable[[str], None]
    kubernetes_site: str = KUBERNETES_SITE
    etcd_site: str = ETCD_SITE

    def folder(self, cache: Path) -> Path:
        """Where the programs of these versions are kept."""
        return cache / "bin" / f"release-{self.kubernetes}-etcd-{self.etcd}"

    def download(self, cache: Path) -> Path:
        """Fetch all programs; the folder appears whole or not at all.

        Raises:
            Unobtainable: not reachable, or a checksum differs.
        """
        scratch = self.folder(cache).with_suffix(".new")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            self._download_all(scratch)
        except UNEXPECTED as error:
            raise Unobtainable(f"the official releases cannot be had: {error!r}") from error
        else:
            scratch.replace(self.folder(cache))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return self.folder(cache)

    def _download_all(self, scratch: Path) -> None:
        architecture = ARCHITECTURES[platform.machine()]
        base = f"{self.kubernetes_site}/{self.kubernetes}/bin/linux/{architecture}"
        for part in KUBERNETES_PARTS:
            checksum = _text(f"{base}/{part}.sha256").split()[0]
            self.report(f"downloading {part} {self.kubernetes}")
            _fetch(f"{base}/{part}", scratch / part, checksum)
            (scratch / part).chmod(0o755)
        name = f"etcd-{self.etcd}-linux-{architecture}"
        base = f"{self.etcd_site}/{self.etcd}"
        checksum = _listed_checksum(_text(f"{base}/SHA256SUMS"), f"{name}.tar.gz")
        self.report(f"downloading etcd {self.etcd}")
        archive = scratch / "etcd.tar.gz"
        _fetch(f"{base}/{name}.tar.gz", archive, checksum)
        with tarfile.open(archive) as content:
            member = content.getmember(f"{name}/etcd")
            member.name = "etcd"
            content.extract(member, scratch, filter="data")
        archive.unlink()


def _open(url: str, *, timeout: float) -> IO[bytes]:
    answer: IO[bytes] = urllib.request.build_opener().open(url, timeout=timeout)
    return answer


def _text(url: str) -> str:
    with _open(url, timeout=CONNECT_SECONDS) as answer:
        return str(answer.read().decode())


def _fetch(url: str, target: Path, checksum: str) -> None:
    digest = hashlib.sha256()
    with _open(url, timeout=30) as answer, target.open("wb") as file:
        while chunk := answer.read(1 << 20):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != checksum:
        raise Unobtainable(f"{url} does not have the published checksum {checksum}")


def _listed_checksum(listing: str, name: str) -> str:
    for line in listing.splitlines():
        checksum, _, file = line.partition(" ")
        if file.strip().lstrip("*") == name:
            return checksum
    raise Unobtainable(f"{name} is not in the published list of checksums")
