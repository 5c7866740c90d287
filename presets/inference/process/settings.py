"""What can be set: a flag goes before the environment, the environment before the default.

`--data-folder` is, with the prefix TUNING, TUNING_DATA_FOLDER in the environment, and so on for
every field of a program's settings.
"""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

EVERY_ADDRESS = str(ipaddress.IPv4Address(0))
"""A pod's own network is its border; on a shared one, set HOST to an address of your own."""

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class CommandLine(Generic[S]):
    """A program's words for the fields of its settings.

    Attributes:
        settings: their type; each field has a description.
        program: name of the program.
        purpose: what it does, one sentence.
        prefix: of the variables, e.g. "TUNING".
        unprefixed: fields whose variables have none.
        hidden: fields without a flag: everybody on the machine can read a command line.
    """

    settings: type[S]
    program: str
    purpose: str
    prefix: str
    unprefixed: frozenset[str]
    hidden: frozenset[str] = frozenset()

    def read(self, argv: Sequence[str], environ: Mapping[str, str]) -> S:
        """The settings out of the command line and the environment.

        Raises:
            SystemExit: 2 with what is wrong with each field on standard error, 0 after `--help`.
        """
        given: dict[str, object] = {
            name: environ[variable]
            for name in self.settings.model_fields
            if (variable := self.variable(name)) in environ
        }
        given |= vars(self.parser().parse_args(argv))
        try:
            return self.settings.model_validate(given)
        except ValidationError as error:
            found = error.errors(include_url=False)
            self.refuse("; ".join(f"{flag(str(one['loc'][0]))}: {one['msg']}" for one in found))

    def refuse(self, reason: str) -> NoReturn:
        """End the program: 2, with the reason on standard error."""
        self.parser().error(reason)

    def parser(self) -> argparse.ArgumentParser:
        """A parser with one flag a field; a flag that is not given leaves no value behind."""
        parser = argparse.ArgumentParser(
            prog=self.program, description=self.purpose, allow_abbrev=False
        )
        for name, field in self.settings.model_fields.items():
            if name in self.hidden:
                continue
            text = f"{field.description} ({self.variable(name)}; default {field.default!s})"
            if field.annotation is bool:
                action = argparse.BooleanOptionalAction
                parser.add_argument(flag(name), action=action, default=argparse.SUPPRESS, help=text)
            else:
                parser.add_argument(
                    flag(name), default=argparse.SUPPRESS, help=text, metavar="VALUE"
                )
        return parser

    def variable(self, name: str) -> str:
        """The environment's word for a field."""
        return name.upper() if name in self.unprefixed else f"{self.prefix}_{name.upper()}"


def flag(name: str) -> str:
    """The command line's word for a field: `--data-folder` for `data_folder`."""
    return "--" + name.replace("_", "-")
