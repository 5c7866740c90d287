"""The command line of people: which words there are, and the reply to each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kaito.catalog.catalog import read_catalog
from kaito.catalog.document import BrokenCatalog
from kaito.cli import fit, listing, question, settings
from kaito.cli.reply import USAGE, Reply
from kaito.settings import Settings
from kaito.sizing.memory import LEAST_CONTEXT_TOKENS

_HELP = {
    "fit": "where a model fits, the smallest type first; or why it does not fit one type",
    "models": "every model of the catalogue",
    "skus": "every instance type of a cloud",
}
_CLUSTER_HELP = {
    "status": "the tree of a Workspace: claims, nodes, pods, and what each waits for",
    "why": "the one cause for which a Workspace is not ready, and what helps",
    "chat": "ask the model, through the API server; without a question, as many as you type",
}
_LISTS = ("models", "skus")
COMMANDS = (*_HELP, *_CLUSTER_HELP)
"""Words with which `python -m kaito` answers a question instead of running the controller."""

PROGRAM = "python -m kaito"
CODES = (
    "exit codes: 0 yes, 1 no (it does not fit, it is not ready), 2 the question is wrong"
    " (unknown name or flag), 3 the cluster could not be asked"
)


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """The parser of all commands."""
    return parsers(program)[""]


def parsers(program: str = PROGRAM) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command by its name, and the whole one under ""."""
    whole = argparse.ArgumentParser(
        prog=program, description=__doc__, epilog=CODES, allow_abbrev=False
    )
    commands = whole.add_subparsers(dest="command", required=True)
    made = {
        name: commands.add_parser(name, help=text, description=text, epilog=CODES)
        for name, text in {**_HELP, **_CLUSTER_HELP}.items()
    }
    _add_question(made["fit"])
    for name, each in made.items():
        (_add_shared if name in _HELP else _add_cluster)(each)
    made["status"].add_argument(
        "-w", "--watch", action="store_true", help="look again every second, until Ctrl-C"
    )
    for name, each in made.items():
        if name != "chat":
            _add_output(each, *(("wide",) if name in _LISTS else ()))
    _add_wishes(made["chat"])
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


def run(argv: Sequence[str], *, program: str = PROGRAM) -> int:
    """Answer one command line on the terminal, and return the exit code.

    Args:
        argv: its words without the program's name.
        program: what the user calls it.

    Raises:
        SystemExit: code 2 for words that the parser does not know, 0 after `--help`.
    """
    whole = parser(program)
    # A question may stand behind flags, where argparse no longer looks for it.
    given, words = whole.parse_known_args(argv)
    if words and (given.command != "chat" or any(word.startswith("-") for word in words)):
        whole.error(f"unrecognized arguments: {' '.join(words)}")
    if words:
        given.question = [*given.question, *words]
    if given.command in _CLUSTER_HELP:
        return question.run(given)
    answer = reply(argv)
    (sys.stderr if answer.code == USAGE else sys.stdout).write(answer.text)
    return answer.code


def reply(argv: Sequence[str]) -> Reply:
    """Answer one command line from the catalogue.

    Args:
        argv: its words without the program's name; the first is `fit`, `models` or `skus`.

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
    """Add the flags of what the catalogue answers."""
    made.add_argument(
        "--cloud",
        choices=("azure", "aws", "arc"),
        default=Settings.model_fields["cloud"].default,
        help="whose instance types [default: %(default)s]",
    )
    made.add_argument(
        "--presets-dir",
        type=Path,
        default=settings.presets(),
        help="folder of the catalogue [default: presets, else the one that was installed]",
    )


def _add_output(made: argparse.ArgumentParser, *more: str) -> None:
    """Add the flag that chooses between people and programs, and further forms for people."""
    made.add_argument(
        "-o",
        dest="output",
        choices=("table", *more, "json"),
        default="table",
        help="form of the answer [default: %(default)s]",
    )


def _add_cluster(made: argparse.ArgumentParser) -> None:
    """Add what questions to a cluster have."""
    made.add_argument("name", help="name of the Workspace")
    made.add_argument("-n", "--namespace", default="", help="[default: the context's]")
    made.add_argument("--context", default="", help="of the kubeconfig [default: the current one]")
    made.add_argument(
        "--kubeconfig", default="", help="path [default: $KUBECONFIG, else ~/.kube/config]"
    )


def _add_wishes(made: argparse.ArgumentParser) -> None:
    """Add the arguments of `chat`."""
    made.add_argument("question", nargs="*", help="[default: each line that is typed]")
    made.add_argument("--system", default="", help="what the model is told beforehand")
    made.add_argument("--max-tokens", type=_count, help="longest answer, in tokens")
    made.add_argument("--temperature", type=float, help="0 takes the likeliest word each time")


def _count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
