"""A hub of one model on loopback."""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

NAME = "team/tiny"
REVISION = "0" * 40


def hub_of(model: Path) -> type[BaseHTTPRequestHandler]:
    """The part of a hub's protocol that fetches the files of one model."""

    class Hub(BaseHTTPRequestHandler):
        """One model at one commit."""

        def do_HEAD(self) -> None:
            """Say what a file is."""
            self.answer(with_body=False)

        def do_GET(self) -> None:
            """Send it."""
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            """The file that is asked for, or none."""
            path = urlsplit(self.path).path
            file = model / path.rpartition("/")[2]
            found = path.startswith(f"/{NAME}/resolve/") and file.is_file()
            content = file.read_bytes() if found else b""
            self.send_response(200 if found else 404)
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("Content-Length", str(len(content)))
            if found:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            else:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Hub
