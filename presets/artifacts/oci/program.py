"""The command line: pull, fit, push, check, trust.

Exit codes: 0 done, 1 refused (the last words say why), 2 a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from oci import report
from oci.check import check
from oci.desk import Desk
from oci.fit import misfits
from oci.hub import Hub
from oci.item import FieldRefused, Item
from oci.pull import pull_adapters, pull_data
from oci.push import push
from oci.registry import Patience
from oci.trust import trusted, write_trust

DONE, REFUSED = 0, 1


def main(argv: Sequence[str]) -> int:
    """Run one verb; returns the exit code. Its last words go to the termination log."""
    arguments = _parser().parse_args(argv)
    with trusted(arguments.ca_bundle) as trust:
        desk = Desk(
            secrets=arguments.secrets,
            trust=trust,
            patience=Patience(arguments.retry_seconds),
            scratch=arguments.scratch,
            hub=Hub.of(os.environ),
        )
        try:
            code, note = arguments.verb(desk, arguments)
        except FieldRefused as refused:
            report.error("item.refused", reason=str(refused))
            code, note = REFUSED, str(refused)
    report.leave_note(arguments.termination_log, note)
    return int(code)


def _pull(desk: Desk, arguments: argparse.Namespace) -> tuple[int, str]:
    """Fill a folder with adapters and with data sets."""
    adapters = [item for item in arguments.item if item.kind == "adapter"]
    if adapters:
        weighed = not arguments.as_they_are
        pull_adapters(desk, adapters, arguments.to, weighed=weighed, max_rank=arguments.max_rank)
    for item in arguments.item:
        if item.kind == "data":
            pull_data(desk, item, arguments.to)
    return DONE, ""


def _fit(_: Desk, arguments: argparse.Namespace) -> tuple[int, str]:
    """Compare adapters that were pulled with the weights of the model that they are for."""
    wrong = misfits(arguments.item, arguments.to, arguments.weights)
    return (REFUSED if wrong else DONE), "; ".join(wrong)


def _push(desk: Desk, arguments: argparse.Namespace) -> tuple[int, str]:
    """Push a folder; what was pushed is printed, and is the note, after a result in JSON."""
    result = json.loads(arguments.result.read_text()) if arguments.result else {}
    (item,) = arguments.item
    note = json.dumps({**result, **asdict(push(desk, item, arguments.folder))}, sort_keys=True)
    sys.stdout.write(f"{note}\n")
    return DONE, note


def _check(desk: Desk, arguments: argparse.Namespace) -> tuple[int, str]:
    """Check everything, and say all that is wrong at once."""
    wrong = check(desk, arguments.item)
    return (REFUSED if wrong else DONE), "; ".join(wrong)


def _trust(desk: Desk, arguments: argparse.Namespace) -> tuple[int, str]:
    """Write the usual authorities and those of --ca-bundle into one file, ca.crt."""
    write_trust(desk.trust, arguments.to)
    return DONE, ""


_VERBS = {"pull": _pull, "fit": _fit, "push": _push, "check": _check, "trust": _trust}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="artifacts.py", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, verb in _VERBS.items():
        added = verbs.add_parser(name, description=verb.__doc__, help=verb.__doc__)
        added.set_defaults(verb=verb)
        _add_shared(added, has_items=name != "trust")
        if name in ("pull", "fit", "trust"):
            added.add_argument("--to", type=Path, required=True, help="folder to fill, or filled")
        if name == "fit":
            added.add_argument("--weights", type=Path, required=True, help="folder of the model")
        if name == "pull":
            added.add_argument(
                "--as-they-are", action="store_true", help="apply no strength, merge nothing"
            )
            added.add_argument(
                "--max-rank", type=int, default=0, help="highest that the server takes; 0: any"
            )
        if name == "push":
            added.add_argument("--folder", type=Path, required=True, help="what to push")
            added.add_argument("--result", type=Path, help="JSON file that goes into the note")
    return parser


def _add_shared(parser: argparse.ArgumentParser, *, has_items: bool) -> None:
    """What all verbs know."""
    parser.add_argument(
        "--item",
        type=Item.parse,
        action="append",
        required=has_items,
        help="what, in JSON; several",
    )
    for flag, default, text in (
        ("--secrets", "/var/run/secrets/registries", "folder of the mounted pull secrets"),
        ("--scratch", tempfile.gettempdir(), "folder for what is under way"),
        ("--termination-log", "/dev/termination-log", "existing file that gets the last words"),
    ):
        parser.add_argument(flag, type=Path, default=Path(default), help=f"{text} (%(default)s)")
    parser.add_argument("--ca-bundle", type=Path, help="PEM file of more authorities to trust")
    parser.add_argument(
        "--retry-seconds", type=float, default=180.0, help="patience with a registry (%(default)s)"
    )
