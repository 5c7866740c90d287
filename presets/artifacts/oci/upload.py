"""Blobs and manifests on their way into a registry: in chunks, taken up where they broke off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import urljoin

import requests

from oci import answers, report
from oci.manifests import IMAGE
from oci.registry import Registry

CHUNK_BYTES = 8 << 20
_GONE = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
)
"""What a registry answers that has forgotten an upload, as it may when it was restarted."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in a file, and what registries call them by."""

    path: Path
    digest: str
    size: int

    @classmethod
    def of(cls, path: Path) -> Blob:
        """Read and digest a file."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path, f"sha256:{digest}", path.stat().st_size)

    def descriptor(self, media_type: str, **annotations: str) -> Mapping[str, object]:
        """What a manifest says of it."""
        noted = {"annotations": annotations} if annotations else {}
        return {"mediaType": media_type, "digest": self.digest, "size": self.size, **noted}


def upload_blob(registry: Registry, blob: Blob) -> None:
    """Have the registry hold a blob; nothing is sent of one that it has.

    Raises:
        Refused: it does not take it.
    """
    if registry.blob_exists({"digest": blob.digest}, registry.container):
        report.info("blob.found", digest=blob.digest)
        return
    # Patience counts from the first time that it was forgotten: a large one may take longer.
    pauses = None
    while not _upload(registry, blob):
        report.info("blob.interrupted", digest=blob.digest)
        pauses = pauses or registry.patience.pauses()
        pause = next(pauses, None)
        if pause is None:
            raise answers.unreachable(registry.reference.host, "it forgets uploads in the middle")
        registry.patience.pause(pause)
    report.info("blob.pushed", digest=blob.digest, bytes=blob.size)


def begin(registry: Registry) -> str:
    """Begin an upload; its address.

    Raises:
        Refused: the account may not push.
    """
    response = registry.do_request(
        registry.url("blobs/uploads/"), "POST", headers={"Content-Length": "0"}
    )
    _expect(registry, response, HTTPStatus.ACCEPTED)
    return _location(registry, response)


def cancel(registry: Registry, address: str) -> None:
    """Give an upload up; a registry that knows no such thing forgets it after a while."""
    registry.do_request(address, "DELETE")


def upload_manifest(registry: Registry, manifest: Mapping[str, object]) -> str:
    """Store a manifest under the registry's reference; its digest.

    Raises:
        Refused: the registry does not take it.
    """
    content = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
    response = registry.do_request(
        registry.url(f"manifests/{registry.reference.version}"),
        "PUT",
        data=content,
        headers={"Content-Type": IMAGE},
    )
    _expect(registry, response, HTTPStatus.CREATED, HTTPStatus.OK)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _upload(registry: Registry, blob: Blob) -> bool:
    """Send a blob; False when the registry has forgotten the upload."""
    address, sent = begin(registry), 0
    pauses = registry.patience.pauses()
    with blob.path.open("rb") as file:
        while sent < blob.size:
            response, end = _send_chunk(registry, address, file, sent)
            if response.status_code in _GONE:
                return False
            _expect(registry, response, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
            address, before, sent = _location(registry, response), sent, end
            if sent > before:
                pauses = registry.patience.pauses()
                report.info("blob.progressed", digest=blob.digest, bytes=sent, of=blob.size)
            elif (pause := next(pauses, None)) is not None:
                registry.patience.pause(pause)
            else:
                raise answers.unreachable(registry.reference.host, "it takes no more bytes")
    mark = "&" if "?" in address else "?"
    response = registry.do_request(
        f"{address}{mark}digest={blob.digest}", "PUT", headers={"Content-Length": "0"}
    )
    if response.status_code in _GONE:
        return False
    _expect(registry, response, HTTPStatus.CREATED)
    return True


def _send_chunk(
    registry: Registry, address: str, file: IO[bytes], sent: int
) -> tuple[requests.Response, int]:
    """Send the next bytes; the registry's answer, and how many it has then.

    A chunk that broke off is not sent again blindly: a registry that has it in part refuses it
    before it has read it, and closes the connection, so that its answer is lost.
    """
    file.seek(sent)
    chunk = file.read(CHUNK_BYTES)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(len(chunk)),
        "Content-Range": f"{sent}-{sent + len(chunk) - 1}",
    }
    response = registry.attempt(address, "PATCH", data=chunk, headers=headers)
    if response is None or response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        response = registry.do_request(address)
        return response, _received(response)
    return response, _received(response) or sent + len(chunk)


def _received(response: requests.Response) -> int:
    """How many bytes the registry has: "Range: 0-99" is a hundred, and so is "bytes=0-99"."""
    last = response.headers.get("Range", "").rpartition("-")[2]
    return int(last) + 1 if last.isdigit() and last != "0" else 0


def _location(registry: Registry, response: requests.Response) -> str:
    return urljoin(registry.url(""), response.headers.get("Location", ""))


def _expect(registry: Registry, response: requests.Response, *wanted: HTTPStatus) -> None:
    if response.status_code not in wanted:
        raise answers.refusal(response, registry.reference, registry.accounts, push=True)
