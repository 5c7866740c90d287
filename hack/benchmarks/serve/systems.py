"""The two servers: how each is started, and how each is asked for the same work."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.cache import cache_folder

HOST = "127.0.0.1"
BATCH_TOKENS = 512
BATCH_REQUESTS = 32
PAGES = 512
"""Of 256 tokens: the whole context for every request of a full batch."""
OWN, PEER = "kaito", "transformers serve"
START_SECONDS = 120
POLL_SECONDS = 0.2
SERVER_CPUS = {0}


@dataclass(frozen=True, slots=True)
class System:
    """One server with the model loaded."""

    name: str
    url: str
    pid: int
    model: str
    extra: Mapping[str, object]
    """Fields of a request that have it written to its full length, greedily."""

    def peak_mb(self) -> float:
        """The most memory that the process has had, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kib) * 1024 / 1e6

    def cpu_seconds(self) -> float:
        """The CPU time that all threads of the process have had."""
        # Past the name, which may hold anything: the 14th and 15th fields are user and system.
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        ticks = sum(map(int, fields.split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def own(model: Path, tokens: int) -> Iterator[System]:
    """Our server."""
    port = free_port()
    command = [
        str(cache_folder() / "inference" / "bin" / "python"),
        "presets/inference/server.py",
        f"--pretrained-model-name-or-path={model}",
        "--served-model-name=tiny",
        f"--max-batch-requests={BATCH_REQUESTS}",
        f"--max-batch-tokens={BATCH_TOKENS}",
        "--threads=1",
        "--log-level=warning",
    ]
    extra = {"temperature": 0, "max_tokens": tokens, "ignore_eos": True}
    with started(command, port, {"HOST": HOST, "PORT": str(port)}) as pid:
        yield System(OWN, f"http://{HOST}:{port}", pid, "tiny", extra)


@contextmanager
def peer(model: Path, tokens: int) -> Iterator[System]:
    """The library's own server, from the environment of clients."""
    port = free_port()
    command = [
        str(cache_folder() / "clients" / "bin" / "transformers"),
        "serve",
        str(model),
        "--continuous-batching",
        f"--cb-num-blocks={PAGES}",
        f"--cb-max-batch-tokens={BATCH_TOKENS}",
        "--device=cpu",
        f"--host={HOST}",
        f"--port={port}",
    ]
    wanted = {"do_sample": False, "eos_token_id": -1, "max_new_tokens": tokens}
    extra = {"generation_config": json.dumps(wanted)}
    with started(command, port, {"HF_HUB_OFFLINE": "1"}) as pid:
        yield System(PEER, f"http://{HOST}:{port}", pid, str(model), extra)


SYSTEMS = {OWN: own, PEER: peer}


@contextmanager
def started(command: list[str], port: int, environment: Mapping[str, str]) -> Iterator[int]:
    """A server on a CPU of its own, from the moment that it is healthy; its process id."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, SERVER_CPUS),
    )
    try:
        await_health(port, process)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def await_health(port: int, process: subprocess.Popen[bytes]) -> None:
    """Ask until the server says that it is healthy.

    Raises:
        RuntimeError: it ended, or took too long.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if is_healthy(port):
            return
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"no answer on port {port}; exit code {process.poll()}")


def is_healthy(port: int) -> bool:
    """Whether the server says so."""
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port of the loopback interface that nobody has."""
    with socket.create_server((HOST, 0)) as listening:
        return int(listening.getsockname()[1])
