"""`kubectl kaito`: the commands of `python -m kaito` where kubectl looks for plug-ins."""

from __future__ import annotations

import sys

from kaito.cli import command

PROGRAM = "kubectl kaito"


def main() -> int:
    """Do what the command line says, and return the exit code."""
    return command.run(sys.argv[1:], program=PROGRAM)
