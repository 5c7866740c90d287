"""The command line of people: which words there are, and the reply to each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from kaito.catalog.catalog import read_catalog
from kaito.catalog.document import BrokenCatalog
from kaito.cli import fit, listing
from kaito.cli.reply import USAGE, Reply
from kaito.settings import Settings
from kaito.sizing.memory import LEAST_CONTEXT_TOKENS

_HELP = {
    "fit": "where a model fits, the smallest type first; or why it does not fit one type",
    "models": "every model of the catalogue",
    "skus": "every instance type of a cloud",
}
COMMANDS = tuple(_HELP)
"""Words with which `python -m kaito` answers a question instead of running the controller."""

CODES = "exit codes: 0 yes, 1 it does not fit, 2 the question is wrong (unknown name or flag)"


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    return parsers()[""]


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command by its name, and the whole one under ""."""
    whole = argparse.ArgumentParser(
        prog="python -m kaito", description=__doc__, epilog=CODES, allow_abbrev=False
    )
    commands = whole.add_subparsers(dest="command", required=True)
    made = {
        name: commands.add_parser(name, help=text, description=text, epilog=CODES)
        for name, text in _HELP.items()
    }
    _add_question(made["fit"])
    for each in made.values():
        _add_shared(each)
    return {"": whole, **made}


def _add_question(asked: argparse.ArgumentParser) -> None:
    """Add the arguments of `fit`."""
    asked.add_argument("model", help="name of a preset, or another name of it")
    asked.add_argument("--instance-type", default="", help="explain this one; exit code 1: no")
    asked.add_argument("--tuning", choices=("lora", "qlora"), help="tune instead of serve")
    asked.add_argument("--nodes", type=_count, help="count of nodes [default: as few as suffice]")
    asked.add_argument(
        "--context",
        type=_count,
        default=LEAST_CONTEXT_TOKENS,
        help="context that must fit at least, in tokens [default: %(default)s]",
    )
    asked.add_argument(
        "--preset-images",
        choices=("kaito", "upstream"),
        default=Settings.model_fields["preset_images"].default,
        help="whose images are meant [default: %(default)s]",
    )


def reply(argv: Sequence[str]) -> Reply:
    """Answer one command line.

    Args:
        argv: its words without the program's name; the first is one of `COMMANDS`.

    Raises:
        SystemExit: code 2 for words that the parser does not know, 0 after `--help`.
    """
    given = parser().parse_args(argv)
    origin = given.preset_images if given.command == "fit" else None
    try:
        catalog = read_catalog(given.presets_dir, cloud=given.cloud, origin=origin)
    except BrokenCatalog as error:
        return Reply(f"{error}\n", USAGE)
    if given.command == "models":
        return listing.models(catalog, output=given.output)
    if given.command == "skus":
        return listing.skus(catalog, output=given.output)
    question = fit.Question(
        model=given.model,
        instance_type=given.instance_type,
        tuning=given.tuning,
        nodes=given.nodes,
        context=given.context,
        output=given.output,
    )
    return fit.answer(question, catalog)


def _add_shared(made: argparse.ArgumentParser) -> None:
    """Add the flags that all commands have."""
    made.add_argument(
        "-o",
        dest="output",
        choices=("table", "json"),
        default="table",
        help="form of the answer [default: %(default)s]",
    )
    made.add_argument(
        "--cloud",
        choices=("azure", "aws", "arc"),
        default=Settings.model_fields["cloud"].default,
        help="whose instance types [default: %(default)s]",
    )
    made.add_argument(
        "--presets-dir",
        type=Path,
        default=Settings.model_fields["presets_dir"].default,
        help="folder of the catalogue [default: %(default)s]",
    )


def _count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
