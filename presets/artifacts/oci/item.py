"""One thing to carry or to check, as the operator names it on the command line in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Self

from oci.address import shown
from oci.refusals import Refused


@dataclass(frozen=True, slots=True)
class Item:
    """What it is and where it stands in the Workspace.

    Attributes:
        field: of the Workspace, for messages, e.g. "inference.adapters[0].source.image".
        kind: "adapter", "data" (files of any sort), "image" (only looked at), "model"
            (of the hub), "push", "url".
        image: reference in a registry.
        folder: where it lies already, in place of an image.
        url: address, in place of both.
        name: of an adapter.
        strength: of an adapter, 0 to 1.
        secrets: names of the pull secrets that are mounted for it.
    """

    field: str
    kind: str
    image: str = ""
    folder: str = ""
    url: str = ""
    name: str = ""
    strength: float = 1.0
    secrets: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an item from JSON.

        Raises:
            ValueError: it is none.
        """
        given = json.loads(text)
        known = {field.name for field in fields(cls)}
        if not isinstance(given, dict) or not {"field", "kind"} <= given.keys() <= known:
            raise ValueError(f"{text} is no item: its keys are {', '.join(sorted(known))}")
        secrets = tuple(str(name) for name in given.get("secrets", ()))
        return cls(**{**given, "secrets": secrets})

    @property
    def source(self) -> str:
        """Where it is from, for messages; of an address no secret."""
        return self.image or (shown(self.url) if self.url else self.folder)


class FieldRefused(Exception):
    """A refusal together with the field of the Workspace that it is about.

    Attributes:
        refused: what happened.
    """

    def __init__(self, item: Item, refused: Refused) -> None:
        super().__init__(f"{item.field}: {item.source}: {refused.said}: {refused.remedy}")
        self.refused = refused


@contextmanager
def naming(item: Item) -> Iterator[None]:
    """Name the field of an item in what is refused meanwhile.

    Raises:
        FieldRefused: in place of every Refused.
    """
    try:
        yield
    except Refused as refused:
        raise FieldRefused(item, refused) from refused
