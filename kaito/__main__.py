"""`python -m kaito`: run the workspace controller; with a command, answer a question instead."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import structlog

from kaito import app, settings
from kaito.catalog.document import BrokenCatalog
from kaito.cli import command
from kaito.kube import logs

log = structlog.get_logger()


def main() -> int:
    """Do what the command line says, and return the exit code."""
    words = sys.argv[1:]
    if words and words[0] in command.COMMANDS:
        return command.run(words)
    return run(words)


def run(words: Sequence[str]) -> int:
    """Read the settings, run the controller, and return the exit code."""
    chosen = settings.read(words)
    logs.configure(chosen.log_format, chosen.log_level)
    log.info("settings.loaded", settings=chosen.model_dump(mode="json"))
    try:
        return asyncio.run(app.run(chosen))
    except BrokenCatalog as error:
        log.critical("catalog.refused", error=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
