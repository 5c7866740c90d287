"""Settings from flags and environment, derived from the fields of a pydantic model.

Field `lease_seconds` of a model loaded with prefix "KAITO" is the flag `--lease-seconds` and
the variable `KAITO_LEASE_SECONDS`; a field annotated with `Variable("AZURE_CLIENT_ID")` is
read from that well-known variable too. A flag wins over the environment, which wins over the
default; an empty variable counts as unset. The help text is the fields' own descriptions.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

S = TypeVar("S", bound=BaseModel)

USAGE_EXIT_CODE = 2
"""Exit code of a wrong flag or variable, as argparse has it."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A field's second environment variable; goes into `Annotated[...]`."""

    name: str


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as it was written, and where: a flag's or a variable's name."""

    value: str
    source: str


def load(model: type[S], argv: Sequence[str], environ: Mapping[str, str], *, prefix: str) -> S:
    """Read settings.

    Args:
        model: its fields are the settings; each has a description that ends in its unit.
        argv: the command line without the program's name.
        environ: the environment.
        prefix: of derived variables, without the underscore, e.g. "KAITO".

    Returns:
        The settings, validated.

    Raises:
        SystemExit: code 2 after a message on stderr that names each wrong flag or variable
            and what it may be; code 0 after `--help`.
    """
    parser = _parser(model, prefix)
    flags = {name: text for name, text in vars(parser.parse_args(argv)).items() if text is not None}
    given = {
        name: value
        for name, field in model.model_fields.items()
        if (value := _given(name, field, flags, environ, prefix=prefix)) is not None
    }
    try:
        return model.model_validate(
            {name: _parsed(model.model_fields[name], value.value) for name, value in given.items()}
        )
    except ValidationError as error:
        lines = [_explained(detail, model, given, prefix=prefix) for detail in error.errors()]
        parser.exit(USAGE_EXIT_CODE, "".join(f"{line}\n" for line in lines) + _SEE_HELP)


_SEE_HELP = "`--help` lists every flag with its variable, unit and default\n"


def flag(name: str) -> str:
    """The flag of a field, e.g. "--lease-seconds"."""
    return f"--{name.replace('_', '-')}"


def variables(name: str, field: FieldInfo, *, prefix: str) -> tuple[str, ...]:
    """The environment variables of a field, the derived one first."""
    well_known = tuple(extra.name for extra in field.metadata if isinstance(extra, Variable))
    return (f"{prefix}_{name.upper()}", *well_known)


def _parser(model: type[BaseModel], prefix: str) -> argparse.ArgumentParser:
    """A parser with one flag a field; everything is read as text, pydantic decides."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {prefix.lower()}",
        description=(model.__doc__ or "").strip().partition("\n")[0],
        allow_abbrev=False,
    )
    for name, field in model.model_fields.items():
        text = f"{field.description or ''} [{_default(field)}; {_named(name, field, prefix)}]"
        if field.annotation is bool:
            parser.add_argument(
                flag(name),
                nargs="?",
                const="true",
                metavar="true|false",
                help=text.replace("%", "%%"),
            )
        else:
            parser.add_argument(flag(name), metavar="VALUE", help=text.replace("%", "%%"))
    return parser


def _named(name: str, field: FieldInfo, prefix: str) -> str:
    return "env " + ", ".join(variables(name, field, prefix=prefix))


def _default(field: FieldInfo) -> str:
    """What the help says about a default."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        value = ",".join(f"{key}={_shown(each)}" for key, each in value.model_dump().items())
    return f"default {_shown(value)}"


def _shown(value: object) -> str:
    """A default as one would write it on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(str, value)) or "none"
    return str(value) or "none"


def _given(
    name: str,
    field: FieldInfo,
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    prefix: str,
) -> _Given | None:
    """What a flag, else a variable, says about one field."""
    if name in flags:
        return _Given(flags[name], flag(name))
    for variable in variables(name, field, prefix=prefix):
        if environ.get(variable):
            return _Given(environ[variable], variable)
    return None


def _parsed(field: FieldInfo, text: str) -> object:
    """Text in the form that pydantic takes: lists are a,b and nested models a=true,b=false."""
    kind = field.annotation
    if get_origin(kind) in {tuple, list, frozenset}:
        return [item.strip() for item in text.split(",") if item.strip()]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        pairs = (item.partition("=") for item in text.split(",") if item.strip())
        return {key.strip(): value.strip() or "true" for key, _, value in pairs}
    return text


def _explained(
    detail: ErrorDetails, model: type[BaseModel], given: Mapping[str, _Given], *, prefix: str
) -> str:
    """One line for one error: which flag or variable, what it held, what it may hold."""
    name = str(detail["loc"][0]) if detail["loc"] else ""
    if not name:
        return f"settings: {detail['msg']}"
    if name not in given:
        known = " or ".join(variables(name, model.model_fields[name], prefix=prefix))
        return f"{flag(name)} is needed: give the flag or set {known}"
    inner = "".join(f" {part}:" for part in detail["loc"][1:])
    return f"{given[name].source}={given[name].value!r}:{inner} {detail['msg']}"
