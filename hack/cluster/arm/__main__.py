"""Run the server: `python -m hack.cluster.arm --home DIR …` until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import structlog

from hack.cluster.arm.frontdoor import FrontDoor
from hack.cluster.arm.server import serving
from hack.cluster.arm.settings import Settings

SERVER_STARTED = "server.started"
SERVER_STOPPED = "server.stopped"

REQUIRED_PATHS = {
    "--home": "the cluster's folder; state goes to arm/ in it",
    "--certificate": "TLS certificate, PEM",
    "--key": "key of that certificate, PEM",
    "--issuer-key": "public key that ServiceAccount tokens are checked with, PEM",
}

log = structlog.get_logger()


def main() -> None:
    """Serve with the settings of the command line."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ]
    )
    asyncio.run(run(settings()))


async def run(chosen: Settings) -> None:
    """Serve until the process is told to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with serving(chosen, FrontDoor(chosen)) as url:
        log.info(SERVER_STARTED, url=url)
        await stopping.wait()
    log.info(SERVER_STOPPED)


def settings(arguments: list[str] | None = None) -> Settings:
    """The settings of a command line; of this process's own when none is given."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.cluster.arm",
        description="An HTTPS server that stands in for Azure Resource Manager on loopback.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for name, meaning in REQUIRED_PATHS.items():
        parser.add_argument(name, type=Path, required=True, default=argparse.SUPPRESS, help=meaning)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", default=0, type=int, help="0: the system chooses")
    parser.add_argument("--provision-seconds", default=3.0, type=float, help="to make a pool")
    parser.add_argument("--delete-seconds", default=2.0, type=float, help="to delete a pool")
    parser.add_argument("--page-size", default=50, type=int, help="pools on a page of a list")
    parser.add_argument("--poll-seconds", default=1, type=int, help="Retry-After of operations")
    parser.add_argument("--token-seconds", default=3600, type=int, help="life of bearer tokens")
    return Settings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
