"""Log lines, one JSON object each, on standard error: a constant event, what varies is a key."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

LOGGER = logging.getLogger("training")


class JsonLines(logging.Formatter):
    """A record as one line of JSON, with its traceback under `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        entry: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        entry |= getattr(record, "keys", {})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(level: str) -> None:
    """Send every library's lines through the same door; their chatter from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # They warn of what they themselves will change; nobody who tunes can act on it.
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    LOGGER.setLevel(level.upper())


def info(event: str, **keys: object) -> None:
    """Say that something changed."""
    LOGGER.info(event, extra={"keys": keys})


def warning(event: str, **keys: object) -> None:
    """Say that something went wrong which is tried again."""
    LOGGER.warning(event, extra={"keys": keys})


def error(event: str, *, exception: BaseException | None = None, **keys: object) -> None:
    """Say that something went wrong for good, with its traceback where there is one."""
    LOGGER.error(event, extra={"keys": keys}, exc_info=exception)
