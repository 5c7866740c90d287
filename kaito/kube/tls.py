"""How much memory a connection with TLS takes.

asyncio gives each one a buffer of 256 KiB, for servers that send files. A controller has forty
connections, most of which carry a kilobyte at a time: those buffers are a tenth of its memory.
"""

from __future__ import annotations

from asyncio.sslproto import SSLProtocol

BUFFER_BYTES = 32 * 2**10
"""Two records of TLS: no read yields more than one."""


def take_little() -> None:
    """Have all connections that this process begins from now on read into a small buffer."""
    SSLProtocol.max_size = BUFFER_BYTES
