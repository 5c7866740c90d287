"""The server's log lines."""

from __future__ import annotations

import logging

from process.log import Log

LOG = Log("serving")
info, warning, error = LOG.info, LOG.warning, LOG.error


def configure(level: str) -> None:
    """Send every library's lines through the same door; uvicorn's own chatter from warnings on."""
    LOG.configure(level)
    for name in ("uvicorn", "httpx", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
