"""The trainer's log lines."""

from __future__ import annotations

import logging

from process.log import Log

LOG = Log("training")
info, warning, error = LOG.info, LOG.warning, LOG.error


def configure(level: str) -> None:
    """Send every library's lines through the same door; their chatter from warnings on."""
    LOG.configure(level, libraries="warning")
    # They warn of what they themselves will change; nobody who tunes can act on it.
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
