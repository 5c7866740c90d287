"""`python -m provisioner`: run the node provisioner."""

from __future__ import annotations

import asyncio
import sys

from kaito.kube import logs
from provisioner import app, settings


def main() -> int:
    """Read the settings and run; the exit status."""
    chosen = settings.load()
    logs.configure(chosen.log_format, chosen.log_level)
    return asyncio.run(app.run(chosen))


if __name__ == "__main__":
    sys.exit(main())
