"""An object of JSON that is kept as text, which takes a fifth of the memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer
from pydantic_core import from_json, to_json


class Packed(Mapping[str, object]):
    """A mapping that is seldom read: each look at it parses it anew."""

    __slots__ = ("_text",)

    def __init__(self, whole: Mapping[str, object]) -> None:
        self._text = to_json(dict(whole))

    def __getitem__(self, key: str) -> object:
        return self.unpacked()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.unpacked())

    def __len__(self) -> int:
        return len(self.unpacked())

    def __repr__(self) -> str:
        return repr(self.unpacked())

    def unpacked(self) -> dict[str, object]:
        """The whole, for who reads more of it than one part."""
        found: dict[str, object] = from_json(self._text)
        return found


def _packed(whole: Mapping[str, object]) -> Packed:
    return Packed(whole)


Template = Annotated[
    Mapping[str, object],
    AfterValidator(_packed),
    PlainSerializer(dict, return_type=dict[str, object]),
]
"""A pod template as it is on the wire."""
