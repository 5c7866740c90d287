"""What a request is, in the words of a scenario."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Call(StrEnum):
    """What a request is, in the words of a rule's `operation`."""

    PUT = "PUT"
    GET = "GET"
    LIST = "LIST"
    DELETE = "DELETE"
    ABORT = "ABORT"
    POLL = "POLL"
    """Of the status of a long-running operation."""
    SKUS = "SKUS"
    USAGES = "USAGES"
    SIGN_IN = "SIGN_IN"
    """At the token endpoint."""


BY_DEFAULT = frozenset((Call.PUT, Call.GET, Call.LIST, Call.DELETE, Call.ABORT))
"""What a scenario is about where it names no operation."""


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]
"""A regular expression that must match the whole word."""


class Input(BaseModel):
    """What people write in a scenario: camelCase, nothing unknown, never changed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, as rules see it."""

    call: Call
    pool: str = ""
    vm_size: str = ""
