"""Write the pages and the schemas of the catalogue, or compare them with `--check`.

The pages are docs/reference/{models,skus,cli,workspace,rights}.md. The schemas are those of
presets/schemas/*.json, for editors and for whoever writes a preset without this program at hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hack import fields, rights
from hack.fields import table
from kaito.catalog.catalog import Catalog, read_catalog
from kaito.catalog.entry import CatalogModel
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.cli import command, listing

ROOT = Path(__file__).parent.parent
CLOUDS = {"azure": "Azure", "aws": "AWS", "arc": "AKS on Azure Local (Arc)"}
_ORDER = """
A Workspace that names no type gets the smallest one that fits and is still sold: fewest nodes, then
least GPU memory on all of them, fewest GPUs, newest GPU (compute capability), smallest numbers in
the name, shortest name, and the alphabet. Prices are not known here; memory is what one pays for.
"""
_DASH = "`-`: left out, for a reason that stands in the second table."
_RUN_TIMES = """
Why `kaito` says transformers for some, and vllm for the rest, is a
[decision](../decisions/0031-the-row-decides-who-serves.md).
"""
_WRITTEN = "Written by `python -m hack.pages` from {source}. Do not edit.\n"


def rendered() -> dict[str, str]:
    """Text of each file, by its path below the root."""
    catalogs = {cloud: read_catalog(ROOT / "presets", cloud=cloud) for cloud in CLOUDS}
    return {
        "docs/reference/models.md": _models(catalogs["azure"]),
        "docs/reference/skus.md": _skus(catalogs),
        "docs/reference/cli.md": _commands(command.parsers()),
        "docs/reference/workspace.md": fields.page(ROOT),
        "docs/reference/rights.md": rights.page(ROOT),
        "presets/schemas/model.json": _schema(Preset),
        "presets/schemas/sku.json": _schema(Sku),
    }


def stale() -> list[str]:
    """Files that differ from what the data and the types say."""
    return [
        name
        for name, text in rendered().items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text() != text
    ]


def _schema(model: type[CatalogModel]) -> str:
    """The JSON schema of one kind of entry."""
    return json.dumps(model.model_json_schema(), indent=2) + "\n"


def _models(catalog: Catalog) -> str:
    """The page of models."""
    models = catalog.models()
    head = (*listing.MODELS, *listing.MODELS_TAIL)
    missing = [(model.name, *_reasons(model)) for model in models if model.left_out]
    return "".join(
        [
            "# Models\n\n",
            _WRITTEN.format(source="presets/models"),
            f"\n{len(models)} models. A name is found in any case. {_DASH}\n{_RUN_TIMES}\n",
            table(head, (listing.model_row(model) for model in models)),
            "\n## What is left out, and why\n\n",
            table(("model", "what", "why"), missing),
        ]
    )


def _reasons(model: Preset) -> tuple[str, str]:
    """What a model leaves out, and why, line under line."""
    return "<br>".join(model.left_out), "<br>".join(model.left_out.values())


def _skus(catalogs: dict[str, Catalog]) -> str:
    """The page of instance types."""
    parts = ["# Instance types with GPUs\n\n", _WRITTEN.format(source="presets/skus"), _ORDER]
    for cloud, catalog in catalogs.items():
        rows = (listing.sku_row(sku) for sku in catalog.skus.values())
        parts += [f"\n## {CLOUDS[cloud]}\n\n", table(listing.SKUS, rows)]
    return "".join(parts)


def _commands(parsers: dict[str, argparse.ArgumentParser]) -> str:
    """The page of commands."""
    parts = [
        "# Commands\n\n",
        _WRITTEN.format(source="kaito/cli"),
        "\n`python -m kaito` alone, or with flags, runs the controller ([settings](settings.md)).",
        " With a command it answers a question and ends: from the catalogue, or from the cluster",
        " of your kubeconfig. `kubectl kaito COMMAND` is the same where the package is installed",
        " (`pip install` puts `kubectl-kaito` on PATH).\n\n",
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


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` compare; 1 when something is stale."""
    if "--check" in arguments:
        for name in stale():
            print(f"{name} is stale: run python -m hack.pages", file=sys.stderr)
        return 1 if stale() else 0
    for name, text in rendered().items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(text)
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
