"""The process: read the settings, bind, load, serve, drain.

A signal ends the process at once, until the web server takes the signals over and drains first.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

from serving import log
from serving.settings import Settings, settings

OK = 0
START_FAILED = 1
BACKLOG = 1024


def main(argv: Sequence[str], environ: MutableMapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        0 after a signal, 1 when the model could not be loaded or the port is taken, 2 for wrong
        settings.
    """
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    chosen = settings(argv, environ)
    log.configure(chosen.log_level)
    log.info("settings.loaded", **chosen.model_dump(mode="json"))
    environ.update(library_environment(chosen))
    return finish(serve(chosen))


def leave(number: int, _: object) -> None:
    """End the process at once: nothing is under way, or it was finished before."""
    log.info("process.stopped", signal=signal.Signals(number).name)
    finish(OK)


def finish(code: int) -> int:
    """End without unwinding.

    A thread deep in torch would keep the interpreter from ending, or crash it while it ends.
    """
    logging.shutdown()
    os._exit(code)


def library_environment(chosen: Settings) -> Mapping[str, str]:
    """Environment of the libraries, which read it when they are imported."""
    always = {"HF_HUB_DISABLE_TELEMETRY": "1", "PROMETHEUS_DISABLE_CREATED_SERIES": "1"}
    return always if chosen.allow_remote_files else always | {"HF_HUB_OFFLINE": "1"}


def serve(chosen: Settings) -> int:
    """Bind, then load while the port answers 503 already, then serve until told to stop."""
    try:
        listening = listener(chosen)
    except OSError as error:
        log.error("server.failed", host=chosen.host, port=chosen.port, reason=str(error))
        return START_FAILED
    host, port = listening.getsockname()[:2]
    log.info("server.listening", host=host, port=port)

    import uvicorn

    from serving.app import application
    from serving.job import Engine
    from serving.metrics import Metrics
    from serving.worker import Worker

    def load() -> Engine:
        from serving.model import load as load_model

        return load_model(chosen, metrics)

    failures: list[str] = []

    def fail(reason: str) -> None:
        failures.append(reason)
        leave_note(chosen, reason)
        server.should_exit = True

    metrics = Metrics(chosen.model_name)
    worker = Worker(
        load,
        max_running=chosen.max_batch_requests,
        max_queue=chosen.max_queue,
        metrics=metrics,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            application(
                worker, metrics, fail, model_name=chosen.model_name, api_key=chosen.api_key
            ),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=chosen.drain_seconds,
        )
    )
    server.run(sockets=[listening])
    return START_FAILED if failures else OK


def listener(chosen: Settings) -> socket.socket:
    """The socket of the server; who connects before the libraries are imported waits in its queue.

    Raises:
        OSError: the address is not of this machine, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    listening = socket.create_server((chosen.host, chosen.port), family=family, backlog=BACKLOG)
    # Connections have it from here. With it off, the second part of a stream waits some 40 ms for
    # the client's word that the first has come.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def leave_note(chosen: Settings, reason: str) -> None:
    """Write why the start failed where the kubelet looks for it, if it looks."""
    note = Path(chosen.termination_log)
    if note.is_file() or note.is_char_device():
        note.write_text(f"{reason}\n", encoding="utf-8")
