"""A server that takes connections and says nothing, or begins to answer and says no more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

HALF = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
"""The beginning of an answer over HTTP."""


@contextmanager
def silent(*, begun: bytes = b"") -> Iterator[str]:
    """Host and port of one on loopback, which stays silent until the block is left.

    Args:
        begun: what it says to everybody before it falls silent.
    """
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                taken.append(caller)
                caller.sendall(begun)

        thread = threading.Thread(target=take, name="silence", daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for caller in taken:
                caller.close()
