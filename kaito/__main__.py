"""`python -m kaito`: run the workspace controller."""

from __future__ import annotations

import asyncio
import sys

import structlog

from kaito import app, settings
from kaito.catalog.document import BrokenCatalog
from kaito.kube import logs

log = structlog.get_logger()


def main() -> int:
    """Read the settings, run, and return the exit code."""
    chosen = settings.read(sys.argv[1:])
    logs.configure(chosen.log_format, chosen.log_level)
    log.info("settings.loaded", identity=chosen.identity, presets=str(chosen.presets_dir))
    try:
        return asyncio.run(app.run(chosen))
    except BrokenCatalog as error:
        log.critical("catalog.refused", error=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
