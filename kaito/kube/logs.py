"""Log lines on stdout: one JSON object each, or coloured text for people.

Our own lines come from structlog. What libraries say through `logging` goes the same way as
event `library.reported`, from warning up, so that nothing on stdout is of another form.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from kaito.kube.objects import Ref

Format = Literal["json", "console"]
Level = Literal["debug", "info", "warning", "error"]

LIBRARY_REPORTED = "library.reported"


def configure(format: Format, level: Level) -> None:
    """Set up structlog and logging for this process; called once, before the first line.

    Args:
        format: "json" for machines, "console" for people.
        level: least level of our own lines; libraries are heard from warning up.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _last(format)
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _as_reported],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(least, logging.WARNING))


def begin_reconcile(controller: str, ref: Ref, *, now: datetime) -> None:
    """Have every line of this task, until the next call, say of which reconcile it is.

    The id is its first microsecond since 1970: none of this process begins in the same one.
    """
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(
        controller=controller,
        namespace=ref.namespace,
        name=ref.name,
        reconcile=f"{now.timestamp() * 1e6:.0f}",
    )


def reconcile_id() -> str:
    """Id of the reconcile that this task is about, 16 digits; "" outside of any."""
    return str(structlog.contextvars.get_contextvars().get("reconcile", ""))


def _last(format: Format) -> list[Processor]:
    """The processors that turn an event into a line."""
    if format == "console":
        # The default would tell local variables wherever rich is installed.
        plain = structlog.dev.plain_traceback
        return [
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain)
        ]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_encoded),
    ]


_ENCODER = json.JSONEncoder(default=str)


def _encoded(event: EventDict, **_: object) -> str:
    """One line; json.dumps would make an encoder for each."""
    return _ENCODER.encode(event)


def _as_reported(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A library's free text becomes the key `message` of a constant event."""
    record = event.get("_record")
    event["message"] = event["event"]
    event["event"] = LIBRARY_REPORTED
    if isinstance(record, logging.LogRecord):
        event["library"] = record.name
    return event
