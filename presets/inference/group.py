"""One of several pods that serve a model together: run the server on all of them, or on none.

Pod 0 leads. The others connect to it, and once all are there it tells them to start. A connection
then lasts as long as both ends do: when a pod is lost, every other one ends its server and exits,
its container is started again, and all meet anew. Half of a distributed server would wait for the
other half for ever.

    python3 group.py --nodes=2 --rank=1 --leader=web-0.web-headless.default.svc -- vllm serve ...

Pods that do not lead have no HTTP server of their own; here they say how the leader is, so that
all become ready together. It needs the standard library only: it runs in images of others.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

BEAT = b"\n"
START = b"start\n"
BEAT_SECONDS = 2.0
SILENT_SECONDS = 20.0
"""How long nothing comes from a node that has vanished before it counts as lost."""

RETRY_SECONDS = 0.5
HEALTH_SECONDS = 3.0
GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL, for a server whose group is broken."""

LOST_EXIT_CODE = 75
"""EX_TEMPFAIL: nothing is wrong with this pod."""


@dataclass(frozen=True, slots=True)
class Options:
    """What this pod is, and what it runs.

    Attributes:
        nodes: how many pods there are.
        rank: which one this is; 0 leads.
        leader: host name of the leader.
        host: address to listen on; "" for all of the pod's.
        port: at which the leader awaits the others.
        health_port: of the leader's server, and of the answers here.
        health_path: likewise.
        command: the server's argument vector.
        address_argument: the flag that gets the leader's address, "" for none.
    """

    nodes: int
    rank: int
    leader: str
    host: str
    port: int
    health_port: int
    health_path: str
    command: tuple[str, ...]
    address_argument: str = ""


Together = Coroutine[None, None, None]
"""What ends, by raising `Lost`, when the group is broken."""


class Lost(Exception):
    """A pod of the group is gone."""


def say(event: str, **keys: object) -> None:
    """Write one line of the log."""
    now = datetime.now(UTC).isoformat()
    line = {"timestamp": now, "level": "info", "event": event, "logger": "group", **keys}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()


# The leader


@dataclass(slots=True)
class Gathering:
    """The pods that the leader has seen.

    Attributes:
        nodes: how many there are to be, the leader included.
        members: connections, by rank.
        complete: set while all are there.
        begun: whether they were told to start: then none may go.
    """

    nodes: int
    members: dict[int, asyncio.StreamWriter] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    begun: bool = False
    lost: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    async def arrive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a pod in, until it goes."""
        try:
            rank = await _rank(reader)
            if self.begun or not 0 < rank < self.nodes:
                return
            if former := self.members.pop(rank, None):
                former.close()
            self.members[rank] = writer
            say("member.joined", rank=rank)
            if len(self.members) == self.nodes - 1:
                self.complete.set()
            await _beaten(reader, writer)
            if self.members.get(rank) is writer:
                del self.members[rank]
                self.complete.clear()
                self.lost.put_nowait(rank)
        except (OSError, TimeoutError, ValueError):
            return
        finally:
            writer.close()

    async def start(self) -> None:
        """Wait until all are there, and tell them to start."""
        while len(self.members) < self.nodes - 1:
            await self.complete.wait()
        self.begun = True
        while not self.lost.empty():
            self.lost.get_nowait()
        for writer in self.members.values():
            writer.write(START)

    async def until_lost(self) -> None:
        """Return never.

        Raises:
            Lost: a pod has gone.
        """
        raise Lost(f"pod {await self.lost.get()} is gone")


async def _rank(reader: asyncio.StreamReader) -> int:
    """What a pod says that it is."""
    async with asyncio.timeout(SILENT_SECONDS):
        return int(await reader.readline())


async def _beaten(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Show that this end lives, and return when the other end is gone."""
    beating = asyncio.create_task(_beat(writer))
    try:
        while True:
            async with asyncio.timeout(SILENT_SECONDS):
                if not await reader.read(64):
                    return
    except (OSError, TimeoutError):
        return
    finally:
        beating.cancel()


async def _beat(writer: asyncio.StreamWriter) -> None:
    """Send something again and again."""
    with contextlib.suppress(OSError):
        while True:
            writer.write(BEAT)
            await writer.drain()
            await asyncio.sleep(BEAT_SECONDS)


async def lead(options: Options, stack: contextlib.AsyncExitStack) -> tuple[str, Together]:
    """Gather all pods and tell them to start; the address at which they have found this one."""
    gathering = Gathering(options.nodes)
    server = await asyncio.start_server(gathering.arrive, options.host, options.port)
    stack.callback(server.close)
    say("group.awaited", pods=options.nodes)
    await gathering.start()
    address = ""
    for writer in gathering.members.values():
        address = writer.get_extra_info("sockname")[0]
        stack.callback(writer.close)
    return address, gathering.until_lost()


# The others


async def follow(options: Options, stack: contextlib.AsyncExitStack) -> tuple[str, Together]:
    """Join the leader and wait for its word; the leader's address."""
    server = await asyncio.start_server(
        lambda reader, writer: _answer(options, reader, writer), options.host, options.health_port
    )
    stack.callback(server.close)
    say("leader.awaited", leader=options.leader)
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            if joined := await _joined(options):
                reader, writer = joined
                stack.callback(writer.close)
                return writer.get_extra_info("peername")[0], _until_alone(reader, writer)
        await asyncio.sleep(RETRY_SECONDS)


async def _joined(
    options: Options,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """A connection to a leader that has said the word; None where it went before."""
    reader, writer = await asyncio.open_connection(options.leader, options.port)
    writer.write(f"{options.rank}\n".encode())
    beating = asyncio.create_task(_beat(writer))
    try:
        while True:
            async with asyncio.timeout(SILENT_SECONDS):
                line = await reader.readline()
            if line == START:
                return reader, writer
            if not line:
                writer.close()
                return None
    except (OSError, TimeoutError):
        writer.close()
        raise
    finally:
        beating.cancel()


async def _until_alone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return never.

    Raises:
        Lost: the leader has gone.
    """
    await _beaten(reader, writer)
    raise Lost("the leader is gone")


async def _answer(
    options: Options, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one request: how the leader is."""
    try:
        async with asyncio.timeout(HEALTH_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
            status = await _leader_health(options)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        status = b"503 Service Unavailable"
    with contextlib.suppress(OSError):
        head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(head)
        await writer.drain()
    writer.close()


async def _leader_health(options: Options) -> bytes:
    """Status of the leader's own answer, e.g. b"200 OK"."""
    reader, writer = await asyncio.open_connection(options.leader, options.health_port)
    try:
        request = f"GET {options.health_path} HTTP/1.1\r\nHost: {options.leader}\r\n"
        writer.write(f"{request}Connection: close\r\n\r\n".encode())
        return (await reader.readline()).split(b" ", 1)[1].strip()
    except IndexError:
        return b"503 Service Unavailable"
    finally:
        writer.close()


# The server


async def run(options: Options) -> int:
    """Run the server with all the others; its exit code."""
    async with contextlib.AsyncExitStack() as stack:
        meet = follow if options.rank else lead
        address, together = await meet(options, stack)
        watch = asyncio.create_task(together)
        told = [f"{options.address_argument}={address}"] if options.address_argument else []
        say("server.started", rank=options.rank, leader=address)
        child = await asyncio.create_subprocess_exec(*options.command, *told)
        ended = asyncio.create_task(child.wait())
        grace: float | None = None
        try:
            await asyncio.wait({watch, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return _exit_code(ended.result())
            say("group.broken", why=str(watch.exception()))
            grace = GRACE_SECONDS
            # The others shall know at once, however long the server takes to end.
            await stack.aclose()
            return LOST_EXIT_CODE
        finally:
            watch.cancel()
            await _end(child, ended, grace)


def _exit_code(status: int) -> int:
    """A signal's number as shells have it; a server that ends by itself is a failure."""
    say("server.ended", code=status)
    return 128 - status if status < 0 else status or 1


async def _end(
    child: asyncio.subprocess.Process, ended: asyncio.Task[int], grace: float | None
) -> None:
    """SIGTERM, and SIGKILL after so many seconds; None leaves that to whoever told us to end."""
    if ended.done():
        return
    child.terminate()
    _, pending = await asyncio.wait({ended}, timeout=grace)
    if pending:
        child.kill()
        await ended


async def until_told(options: Options) -> int:
    """Run until the server ends or SIGTERM comes; the exit code."""
    running = asyncio.ensure_future(run(options))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        return await running
    except asyncio.CancelledError:
        return 0


def options(words: Sequence[str]) -> Options:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="group.py", description=__doc__)
    parser.add_argument("--nodes", type=int, required=True, help="how many pods there are")
    parser.add_argument("--rank", type=int, required=True, help="which one this is; 0 leads")
    parser.add_argument("--leader", required=True, help="host name of pod 0")
    parser.add_argument("--port", type=int, default=29501, help="where the leader awaits others")
    parser.add_argument("--health-port", type=int, default=5000, help="of the server")
    parser.add_argument("--health-path", default="/health", help="of the server")
    parser.add_argument(
        "--worker-argument", action="append", default=[], help="more for pods that do not lead"
    )
    parser.add_argument(
        "--address-argument", default="", help="flag that gets the leader's address"
    )
    parser.add_argument("command", nargs="+", help="the server, after --")
    found = parser.parse_args(words)
    more = found.worker_argument if found.rank else []
    return Options(
        nodes=found.nodes,
        rank=found.rank,
        leader=found.leader,
        host=os.environ.get("HOST", ""),
        port=found.port,
        health_port=found.health_port,
        health_path=found.health_path,
        command=(*found.command, *more),
        address_argument=found.address_argument,
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(until_told(options(sys.argv[1:]))))
