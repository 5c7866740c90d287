"""Fetch the data set's files: resumed when a connection breaks, refused when they cannot be right.

urllib honours HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.
"""

from __future__ import annotations

import http.client
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from oci.address import shown

from training import log
from training.failure import Failure, Kind

ATTEMPTS = 5
WAIT_SECONDS = (1.0, 2.0, 4.0, 8.0)
TIMEOUT_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
ANSWERS_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be others in a moment."""
PARTIAL = 206
RANGE_REFUSED = 416


def fetch(addresses: Sequence[str], folder: Path, *, limit_bytes: int) -> tuple[Path, ...]:
    """Download every address into `folder`, in order; what is there already is kept.

    Args:
        addresses: http or https.
        folder: made if need be.
        limit_bytes: how much all of them may take together.

    Raises:
        Failure: an address cannot be had, or holds too much.
    """
    folder.mkdir(parents=True, exist_ok=True)
    left = limit_bytes
    found = []
    for number, address in enumerate(addresses):
        file = folder / f"{number:03}-{name_of(address)}"
        if not file.exists():
            _fetch_one(address, file, limit_bytes=left)
        size = file.stat().st_size
        log.info("data.downloaded", url=shown(address), size_bytes=size)
        left -= size
        found.append(file)
    return tuple(found)


def name_of(address: str) -> str:
    """A file name for an address: the last word of its path."""
    last = unquote(urlsplit(address).path).rstrip("/").rsplit("/", 1)[-1]
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in last)[-100:] or "data"


def _fetch_one(address: str, file: Path, *, limit_bytes: int) -> None:
    """Download one address, going on where a broken connection left off."""
    part = file.with_name(f"{file.name}.part")
    for attempt in range(ATTEMPTS):
        try:
            _receive(address, part, limit_bytes=limit_bytes)
        except urllib.error.HTTPError as error:
            problem = f"{error.code} {error.reason}"
            error.close()
            if error.code == RANGE_REFUSED:
                part.unlink(missing_ok=True)
            elif error.code not in ANSWERS_AGAIN:
                raise _refused(address, problem) from error
        except (OSError, http.client.HTTPException) as error:
            problem = _problem(address, error)
        else:
            part.replace(file)
            return
        log.warning("download.failed", url=shown(address), attempt=attempt, error=problem)
        if attempt < len(WAIT_SECONDS):
            time.sleep(WAIT_SECONDS[attempt])
    raise Failure(
        Kind.DATA_UNAVAILABLE,
        f"{shown(address)} cannot be downloaded: {problem}: check the address, and that pods reach"
        " it (a proxy, a network policy)",
        lasting=False,
    )


def _receive(address: str, part: Path, *, limit_bytes: int) -> None:
    """One request for what is still missing of a file."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(address, headers={"User-Agent": "kaito-tuning", **headers})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        if have and answer.status != PARTIAL:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        _check_room(address, part, have=have, total=total, limit_bytes=limit_bytes)
        with part.open("ab" if have else "wb") as sink:
            size = have
            while chunk := answer.read(CHUNK_BYTES):
                size += len(chunk)
                if size > limit_bytes:
                    raise _too_large(address, limit_bytes)
                sink.write(chunk)
    if total is not None and size < total:
        raise OSError(f"the connection ended after {size} of {total} bytes")


def _check_room(
    address: str, part: Path, *, have: int, total: int | None, limit_bytes: int
) -> None:
    """What is announced may be had, and fits on the disk."""
    if total is None:
        return
    if total > limit_bytes:
        raise _too_large(address, limit_bytes)
    free = shutil.disk_usage(part.parent).free
    if total - have > free:
        raise Failure(
            Kind.DATA_UNAVAILABLE,
            f"{shown(address)} holds {total} bytes, and the node's disk has room for {free}: use"
            " a smaller data set, or tuning.input.volumeSource",
        )


def _too_large(address: str, limit_bytes: int) -> Failure:
    """A data set beyond what is downloaded."""
    return Failure(
        Kind.DATA_UNAVAILABLE,
        f"{shown(address)} makes the data set larger than {limit_bytes} bytes: put it into a"
        " volume (tuning.input.volumeSource)",
    )


def _problem(address: str, error: Exception) -> str:
    """What kept a download from coming.

    Raises:
        Failure: its authority is not trusted here; another try would say so again.
    """
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise Failure(
            Kind.DATA_UNAVAILABLE,
            f"the certificate of {shown(address)} is not trusted ({reason}): name a ConfigMap with"
            " its authority in the operator's --ca-bundle",
        ) from error
    return str(reason) or type(error).__name__


def _refused(address: str, problem: str) -> Failure:
    """A server that says no."""
    return Failure(
        Kind.DATA_UNAVAILABLE,
        f"{shown(address)} answers {problem}: check tuning.input.urls, and that it can be read"
        " without an account",
    )
