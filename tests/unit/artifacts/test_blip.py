"""A server of data, or a hub, that is busy or breaks off once: the look asks it again."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import pytest

from tests.unit.artifacts.carrier import Carrier, run
from tests.wayout import http_server

pytestmark = pytest.mark.timeout(120)

URL = "https://huggingface.co/team/tiny/resolve/main/train.jsonl"


@pytest.mark.parametrize("kind", ["url", "model"])
@pytest.mark.parametrize("status", [503, None], ids=["busy", "broken"])
@pytest.mark.parametrize(("patience", "code"), [(10, 0), (0, 1)], ids=["patient", "once"])
def test_a_blip_is_outlived_where_there_is_patience(
    carrier: Carrier, kind: str, status: int | None, patience: int, code: int
) -> None:
    asked: list[str] = []

    class Blip(BaseHTTPRequestHandler):
        """Has no answer, or a busy one, to the first request."""

        def do_GET(self) -> None:
            """Answer."""
            asked.append(self.command)
            found = 200 if len(asked) > 1 else status
            self.close_connection = True
            if found:
                self.send_response(found)
                self.end_headers()
                self.wfile.write(b'{"text": "a"}\n' if self.command == "GET" else b"")

        def do_HEAD(self) -> None:
            """The same without a body."""
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    item = {"field": "f", "kind": kind, "url": URL}
    with http_server(Blip) as outside:
        command = carrier.command("check", item, retry_seconds=patience)
        found, log = run(command, HF_ENDPOINT=outside)

    assert found == code, log
    assert asked == ["GET" if kind == "url" else "HEAD"] * (2 if patience else 1)
