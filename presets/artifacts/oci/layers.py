"""Layers: fetched with a check of every byte, and read without ever writing where they say.

A layer's paths are names to choose by. What is kept is written under a name of our own choice,
so that no archive, whatever it holds, reaches out of its folder.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import IO

import requests

from oci import answers, report
from oci.manifests import Contents, Layer, corrupt
from oci.refusals import Corrupt, Refused
from oci.registry import Registry

CHUNK_BYTES = 1 << 20
PROGRESS_BYTES = 64 << 20
"""After as many bytes the log says how far a layer is."""
_BROKEN = (tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)


@dataclass(frozen=True, slots=True)
class Member:
    """One regular file of an image or artifact.

    Attributes:
        path: where it says that it belongs; never absolute, never upwards.
        size: in bytes, unpacked.
        file: its bytes, to be read now or never.
    """

    path: PurePosixPath
    size: int
    file: IO[bytes]


def members(registry: Registry, contents: Contents, scratch: Path) -> Iterator[Member]:
    """The regular files of all layers, the lowest layer first.

    Args:
        registry: of the reference.
        contents: its manifest.
        scratch: an existing folder; a layer lies in it while it is read.

    Raises:
        Refused: a layer cannot be had, is corrupt, or is packed in a way that nobody reads.
    """
    for layer in contents.layers:
        path = scratch / "layer"
        try:
            fetch(registry, layer, path)
            yield from _members(layer, path)
        finally:
            path.unlink(missing_ok=True)


def fetch(registry: Registry, layer: Layer, target: Path) -> None:
    """Write a layer's bytes to `target`; a connection that breaks off is taken up where it was.

    Raises:
        Refused: it cannot be had.
        Corrupt: it is not what its digest says.
    """
    report.info("layer.begun", digest=layer.digest, bytes=layer.size)
    target.write_bytes(b"")
    pauses, most = registry.patience.pauses(), 0
    while (reason := _fetch_more(registry, layer, target)) is not None:
        have = target.stat().st_size
        if have > most:
            pauses, most = registry.patience.pauses(), have
        pause = next(pauses, None)
        if pause is None:
            raise answers.unreachable(registry.reference.host, reason)
        report.info("layer.interrupted", digest=layer.digest, bytes=have)
        registry.patience.pause(pause)
    with target.open("rb") as file:
        found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if found != layer.digest:
        raise corrupt(f"a layer of {registry.reference}", layer.digest, found)
    report.info("layer.fetched", digest=layer.digest, bytes=layer.size)


def _fetch_more(registry: Registry, layer: Layer, target: Path) -> str | None:
    """Fetch what is missing; why that broke off, None when it is complete."""
    have = target.stat().st_size
    headers = {"Range": f"bytes={have}-"} if have else {}
    url = registry.url(f"blobs/{layer.digest}")
    with registry.do_request(url, headers=headers, stream=True) as response:
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise answers.refusal(response, registry.reference, registry.accounts, push=False)
        mode = "ab" if response.status_code == HTTPStatus.PARTIAL_CONTENT else "wb"
        try:
            with target.open(mode) as file:
                _copy(response, file, layer)
        except requests.exceptions.RequestException as error:
            return answers.cause(error, registry.reference.host)
    return None if target.stat().st_size >= layer.size else "the answer ended early"


def _copy(response: requests.Response, file: IO[bytes], layer: Layer) -> None:
    """Write the body, no more than the manifest says, and tell how far it is."""
    told = file.tell() // PROGRESS_BYTES
    for chunk in response.iter_content(CHUNK_BYTES):
        file.write(chunk)
        if file.tell() > layer.size:
            raise Corrupt(
                f"layer {layer.digest} is longer than the {layer.size} bytes of its manifest",
                "push it anew: what the registry holds is damaged",
            )
        if file.tell() // PROGRESS_BYTES > told:
            told = file.tell() // PROGRESS_BYTES
            report.info("layer.progressed", digest=layer.digest, bytes=file.tell(), of=layer.size)


def _members(layer: Layer, path: Path) -> Iterator[Member]:
    """The files of one layer that lies at `path`."""
    if layer.title and not _is_archive(layer.media_type):
        with path.open("rb") as file:
            yield Member(_safe(layer.title), layer.size, file)
        return
    if layer.media_type.endswith("+zstd"):
        raise Refused(
            f"layer {layer.digest} is packed with zstd, which is not read here",
            "push it with gzip, for instance docker build --output type=image,compression=gzip",
        )
    if not _is_archive(layer.media_type):
        return
    try:
        with tarfile.open(path, "r|*") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is not None:
                    yield Member(_safe(entry.name), entry.size, content)
    except _BROKEN as error:
        raise Corrupt(
            f"layer {layer.digest} is no archive that can be read: {error}", "push it anew"
        ) from error


def _is_archive(media_type: str) -> bool:
    """Whether a layer is a tar archive, packed or not."""
    return ".tar" in media_type or "+tar" in media_type or media_type.endswith("tar+gzip")


def _safe(name: str) -> PurePosixPath:
    """A path of an archive without what would lead out of it."""
    return PurePosixPath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))


@contextmanager
def budget(limit_bytes: int) -> Iterator[Callable[[Member, Path], None]]:
    """A function that writes members to paths, until so many bytes are written.

    Args:
        limit_bytes: of all of them together, unpacked.
    """
    left = limit_bytes

    def keep(member: Member, target: Path) -> None:
        nonlocal left
        left -= member.size
        if left < 0:
            raise Refused(
                f"it holds more than {limit_bytes >> 20} MiB of files",
                "push an image that holds nothing but the files that are wanted",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while chunk := member.file.read(CHUNK_BYTES):
                file.write(chunk)

    yield keep
