"""What all values of catalogue files have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class CatalogModel(BaseModel):
    """A frozen value of a catalogue file; a key that nobody reads is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
