"""Write docs/reference/settings.md from the settings' types, or compare it with `--check`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import kaito.settings
import provisioner.settings
from kaito.kube import flags

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"

PROCESSES: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("kaito", kaito.settings.PREFIX, kaito.settings.Settings),
    ("provisioner", provisioner.settings.PREFIX, provisioner.settings.Settings),
)
"""Package, prefix of its variables, and its settings."""

_OPENING = """\
# Settings

Written by `python -m hack.reference` from the types in `settings.py`. Do not edit.

A flag wins over a variable, that over the default; an empty variable counts as unset.
"""


def rendered() -> str:
    """Text of the page."""
    return "\n".join([_OPENING, *(_process(*process) for process in PROCESSES)])


def is_stale() -> bool:
    """Whether the page differs from what the types say."""
    return not PAGE.is_file() or PAGE.read_text() != rendered()


def _process(package: str, prefix: str, model: type[BaseModel]) -> str:
    """The table of one process."""
    rows = (_row(name, field, prefix) for name, field in model.model_fields.items())
    return "".join(
        [
            f"## `python -m {package}`\n\n",
            "| Flag | Variable | Default | Meaning |\n",
            "|---|---|---|---|\n",
            *rows,
        ]
    )


def _row(name: str, field: FieldInfo, prefix: str) -> str:
    """One setting."""
    variables = ", ".join(f"`{each}`" for each in flags.variables(name, field, prefix=prefix))
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{flags.flag(name)}` | {variables} | {_default(field)} | {meaning} |\n"


def _default(field: FieldInfo) -> str:
    """The default as one would write it on the command line."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else "empty"


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` compare; 1 when the page is stale."""
    if "--check" in arguments:
        if is_stale():
            print("docs/reference/settings.md is stale: python -m hack.reference", file=sys.stderr)
        return int(is_stale())
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(rendered())
    print("docs/reference/settings.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
