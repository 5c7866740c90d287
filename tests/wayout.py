"""The world outside a cluster, on loopback: servers with TLS of a private authority, a proxy."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from hack.cluster.pki import Authority, Party

HOST = "127.0.0.1"
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Server:
    """A server with TLS.

    Attributes:
        url: of its root.
        authority: certificate that its own is signed by.
    """

    url: str
    authority: Path


@contextmanager
def https_server(folder: Path, handler: type[BaseHTTPRequestHandler]) -> Iterator[Server]:
    """A server whose certificate nobody trusts who was not told to; its files go into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    issuer = Authority.create("outside")
    authority = folder / "authority.crt"
    issuer.save(authority, folder / "authority.key")
    certificate, key = issuer.issue(Party("server", HOST, hosts=(HOST,)), folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer((HOST, 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with _serving(server):
        yield Server(f"https://{HOST}:{server.server_port}", authority)


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server without TLS; its address."""
    server = ThreadingHTTPServer((HOST, 0), handler)
    with _serving(server):
        yield f"http://{HOST}:{server.server_port}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that passes connections on, and what is asked for without TLS.

    Attributes:
        url: what HTTPS_PROXY and HTTP_PROXY say.
        asked: where it was asked to connect to, HOST:PORT, in order.
    """

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def proxy() -> Iterator[Proxy]:
    """A proxy on a free port."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        """Answers CONNECT, and GET with a whole address."""

        def do_CONNECT(self) -> None:
            """Pass bytes in both directions until one side is done."""
            asked.append(self.path)
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as other:
                self.send_response(200)
                self.end_headers()
                _relay(self.connection, other)

        def do_GET(self) -> None:
            """Ask in the client's place."""
            address = urlsplit(self.path)
            asked.append(address.netloc)
            with closing(HTTPConnection(address.netloc)) as other:
                other.request("GET", address.path, headers=dict(self.headers))
                answer = other.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    with _serving(server):
        yield Proxy(f"http://{HOST}:{server.server_port}", asked)


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _relay(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for ready, _ in selector.select():
                source, target = ready.fileobj, ready.data
                assert isinstance(source, socket.socket)
                if not (data := source.recv(_CHUNK_BYTES)):
                    return
                target.sendall(data)
