"""A YAML file of the catalogue, and what is wrong with it, in one line."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from kaito.kube.errors import OperatorError

_SHOWN_CHARACTERS = 60


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # a base chosen at run time
    """The safe loader; libyaml's where it is there: ten times as fast, and start-up waits."""


class BrokenCatalog(OperatorError):
    """A file of the catalogue does not say what it must."""


def read(path: Path) -> dict[str, object]:
    """The mapping in a file.

    Raises:
        BrokenCatalog: the file is missing, is not YAML, or holds something else.
    """
    try:
        found = _Loader(path.read_text()).get_single_data()
    except OSError as error:
        raise BrokenCatalog(f"{path.name}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BrokenCatalog(f"{path.name}: {_place(error)}") from error
    if not isinstance(found, dict):
        raise BrokenCatalog(f"{path.name}: holds no mapping of keys to values")
    return found


def complaint(path: Path, error: ValidationError, prefix: str = "") -> str:
    """One line: the file, the first wrong field, what is wrong, and how many are wrong besides."""
    first, *others = error.errors(include_url=False)
    field = prefix + ".".join(str(part) for part in first["loc"])
    more = f" (and {len(others)} more)" if others else ""
    given = "" if first["type"] in {"missing", "value_error"} else f", not {_shown(first['input'])}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{path.name}: {field.rstrip('.') or 'preset'}: {message}{given}{more}"


def _shown(value: object) -> str:
    """A value, shortened to a few words."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _place(error: yaml.YAMLError) -> str:
    """What the parser says, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: is not YAML: {error.problem}"
    return f"is not YAML: {' '.join(str(error).split())}"
