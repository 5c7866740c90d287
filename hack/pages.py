"""Write docs/reference/{models,skus,cli}.md from the catalogue, or compare them with `--check`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from kaito.catalog.catalog import Catalog, read_catalog
from kaito.catalog.preset import Preset
from kaito.cli import command, listing

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "reference"
CLOUDS = {"azure": "Azure", "aws": "AWS", "arc": "AKS on Azure Local (Arc)"}
_DASH = "`-`: left out, for a reason that stands in the second table."
_WRITTEN = "Written by `python -m hack.pages` from {source}. Do not edit.\n"


def rendered() -> dict[str, str]:
    """Text of each page, by the name of its file."""
    catalogs = {cloud: read_catalog(ROOT / "presets", cloud=cloud) for cloud in CLOUDS}
    return {
        "models.md": _models(catalogs["azure"]),
        "skus.md": _skus(catalogs),
        "cli.md": _commands(command.parsers()),
    }


def stale() -> list[str]:
    """Pages that differ from what the data says."""
    return [
        name
        for name, text in rendered().items()
        if not (PAGES / name).is_file() or (PAGES / name).read_text() != text
    ]


def _models(catalog: Catalog) -> str:
    """The page of models."""
    models = catalog.models()
    head = (*listing.MODELS, *listing.MODELS_TAIL)
    missing = [(model.name, *_reasons(model)) for model in models if model.left_out]
    return "".join(
        [
            "# Models\n\n",
            _WRITTEN.format(source="presets/models"),
            f"\n{len(models)} models. A name is found in any case. {_DASH}\n\n",
            _table(head, (listing.model_row(model) for model in models)),
            "\n## What is left out, and why\n\n",
            _table(("model", "what", "why"), missing),
        ]
    )


def _reasons(model: Preset) -> tuple[str, str]:
    """What a model leaves out, and why, line under line."""
    return "<br>".join(model.left_out), "<br>".join(model.left_out.values())


def _skus(catalogs: dict[str, Catalog]) -> str:
    """The page of instance types."""
    parts = ["# Instance types with GPUs\n\n", _WRITTEN.format(source="presets/skus")]
    for cloud, catalog in catalogs.items():
        rows = (listing.sku_row(sku) for sku in catalog.skus.values())
        parts += [f"\n## {CLOUDS[cloud]}\n\n", _table(listing.SKUS, rows)]
    return "".join(parts)


def _commands(parsers: dict[str, argparse.ArgumentParser]) -> str:
    """The page of commands."""
    parts = [
        "# Commands\n\n",
        _WRITTEN.format(source="kaito/cli"),
        "\n`python -m kaito` alone, or with flags, runs the controller ([settings](settings.md)).",
        " With a command it answers a question from the catalogue and ends.\n\n",
        f"{command.CODES.capitalize()}.\n",
    ]
    for name, made in parsers.items():
        if name:
            parts.append(f"\n## `python -m kaito {name}`\n\n```text\n{_help(made)}```\n")
    return "".join(parts)


def _help(parser: argparse.ArgumentParser) -> str:
    """What `--help` prints, at a width of its own: the terminal's would change the page."""
    parser.formatter_class = partial(argparse.HelpFormatter, width=100)
    return parser.format_help()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` compare; 1 when something is stale."""
    if "--check" in arguments:
        for name in stale():
            print(f"docs/reference/{name} is stale: run python -m hack.pages", file=sys.stderr)
        return 1 if stale() else 0
    for name, text in rendered().items():
        (PAGES / name).write_text(text)
        print(f"docs/reference/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
