"""Layers that stall on their way, down and up: they go on, as long as patience lasts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from oci.layers import fetch
from oci.manifests import Layer
from oci.reference import Reference
from oci.refusals import Unreachable
from oci.registry import Patience, Registry
from oci.upload import Blob, upload_blob

from tests.wayout import http_server

pytestmark = pytest.mark.timeout(120)

CONTENT = bytes(range(256)) * (1 << 14)
"""Four mebibytes, more than is read at once."""
LAYER = Layer(f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", len(CONTENT), "application/x")
MIDDLE = 2 << 20


@contextmanager
def blobs(
    ends: Sequence[int | None], *, ranges: bool, hangs: bool
) -> Iterator[tuple[str, list[str]]]:
    """Host and port of a server of CONTENT, and the ranges that it is asked for.

    Args:
        ends: bytes that each answer has, the last one for all after it; None: not even a status.
        ranges: whether it goes on in the middle.
        hangs: whether it falls silent there, in place of breaking the connection.
    """
    asked: list[str] = []
    over = threading.Event()

    class Blobs(BaseHTTPRequestHandler):
        """Says as much as it shall."""

        def do_GET(self) -> None:
            """Answer in part."""
            end = ends[min(len(asked), len(ends) - 1)]
            wanted = self.headers.get("Range", "")
            asked.append(wanted)
            first = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if ranges else 0
            if end is not None:
                self.send_response(206 if first else 200)
                self.send_header("Content-Length", str(len(CONTENT) - first))
                self.end_headers()
                self.wfile.write(CONTENT[first:end])
                self.wfile.flush()
            if hangs and end != len(CONTENT):
                over.wait()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http_server(Blobs) as url:
        try:
            yield urlsplit(url).netloc, asked
        finally:
            over.set()


def registry(host: str, patience: Patience) -> Registry:
    """Without TLS."""
    made = Registry(Reference.parse(f"{host}/team/a:1"), (), patience=patience)
    made.prefix = "http"
    return made


def test_a_layer_outlives_a_registry_that_hangs_in_its_middle_and_once_more(tmp_path: Path) -> None:
    whole = len(CONTENT)
    with blobs([MIDDLE, None, whole], ranges=True, hangs=True) as (host, asked):
        fetch(registry(host, Patience(6, least=1)), LAYER, tmp_path / "layer")

    assert (tmp_path / "layer").read_bytes() == CONTENT
    assert asked[0] == ""
    assert set(asked[1:]) == {f"bytes={MIDDLE}-"}


def test_a_registry_that_never_comes_further_than_once_is_not_asked_for_ever(
    tmp_path: Path,
) -> None:
    ends = [MIDDLE, 1 << 20] * 9
    with blobs(ends, ranges=False, hangs=False) as (host, asked):
        patience = Patience(5, pause=lambda _: None, clock=lambda: 0.0)
        with pytest.raises(Unreachable):
            fetch(registry(host, patience), LAYER, tmp_path / "layer")

    # One try, and five after pauses of 1/4, 1/2, 1, 2 and 4 seconds.
    assert len(asked) == 6


def test_an_upload_that_is_always_forgotten_is_given_up_by_the_time_that_it_took(
    tmp_path: Path,
) -> None:
    begun: list[str] = []

    class Forgetful(BaseHTTPRequestHandler):
        """Begins every upload, and knows none."""

        def do_HEAD(self) -> None:
            """No blob is there."""
            self._answer(404)

        def do_POST(self) -> None:
            """An upload begins."""
            begun.append(self.path)
            self._answer(202)

        def do_PATCH(self) -> None:
            """It is forgotten."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(404)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Location", f"/v2/team/a/blobs/uploads/{len(begun)}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    (tmp_path / "blob").write_bytes(b"blob")
    # Every upload takes ten seconds, by this clock.
    patience = Patience(5, pause=lambda _: None, clock=lambda: 10.0 * len(begun))
    with http_server(Forgetful) as url, pytest.raises(Unreachable) as refused:
        upload_blob(registry(urlsplit(url).netloc, patience), Blob.of(tmp_path / "blob"))

    assert "it forgets uploads in the middle" in str(refused.value)
    assert len(begun) == 2


@pytest.mark.parametrize(
    ("seconds", "silence"), [(180, 60), (300, 60), (39, 13), (9, 5), (3, 3), (0, 60)]
)
def test_one_silence_is_a_third_of_the_patience(seconds: float, silence: float) -> None:
    assert Patience(seconds).timeouts == (min(silence, 10), silence)
