"""The catalogue: every preset and every SKU, by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from kaito.catalog import document
from kaito.catalog.document import BrokenCatalog
from kaito.catalog.names import Names
from kaito.catalog.preset import Origin, Preset
from kaito.catalog.sku import Sku

CLOUD = "azure"
"""The cloud whose nodes our provisioner can make; others' provisioners make those of others."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What can be run, and on what.

    Attributes:
        presets: by name; aliases are keys too.
        skus: by name of the instance type.
    """

    presets: Mapping[str, Preset]
    skus: Mapping[str, Sku]

    def models(self) -> tuple[Preset, ...]:
        """Every preset once, in order of their names."""
        return tuple(preset for name, preset in self.presets.items() if name == preset.name)

    def close_names(self, preset: str) -> tuple[str, ...]:
        """The three names that `preset` is most likely a slip of, the closest first.

        A model is named once, by the one of its names that is closest.
        """
        asked = preset.casefold()
        ranked = sorted(
            self.presets,
            key=lambda name: (-_likeness(asked, name.casefold()), name),
        )
        found = dict.fromkeys(self.presets[name].name for name in ranked)
        return tuple(found)[:3]


def _likeness(asked: str, name: str) -> float:
    """How alike two names are, 0 to 1.

    An owner before the slash does not count against one, nor does an end that is missing.
    """
    candidates = {name, name.rpartition("/")[2]}
    likeness = max(difflib.SequenceMatcher(None, asked, one).ratio() for one in candidates)
    return (1 + likeness) / 2 if any(one.startswith(asked) for one in candidates) else likeness


def read_catalog(folder: Path, *, cloud: str = CLOUD, origin: Origin | None = None) -> Catalog:
    """Read presets/models and presets/skus.

    Args:
        folder: the presets folder.
        cloud: which of skus/*.yaml.
        origin: keep only images of this origin; None: all, in the order of the file.

    Raises:
        BrokenCatalog: a file is missing, malformed, or names something twice; one line that
            names the file and the field.
    """
    presets: dict[str, Preset] = {}
    owners: dict[str, str] = {}
    for path in sorted((folder / "models").glob("*.yaml")):
        preset = _preset(path)
        for name in (preset.name, *preset.aliases):
            owner = owners.setdefault(name.casefold(), path.name)
            if name in presets or owner != path.name:
                raise BrokenCatalog(f"{path.name}: aliases: the name {name!r} is taken by {owner}")
            presets[name] = _with_origin(preset, origin)
    if not presets:
        raise BrokenCatalog(f"{folder / 'models'}: holds no *.yaml: at least one model is needed")
    return Catalog(Names(presets), MappingProxyType(_skus(folder / "skus" / f"{cloud}.yaml")))


def _with_origin(preset: Preset, origin: Origin | None) -> Preset:
    """The preset with the images of one origin."""
    if origin is None:
        return preset
    kept = tuple(image for image in preset.images if image.origin == origin)
    return preset.model_copy(update={"images": kept})


def _preset(path: Path) -> Preset:
    """The preset in one file."""
    try:
        preset = Preset.model_validate(document.read(path))
    except ValidationError as error:
        raise BrokenCatalog(document.complaint(path, error)) from error
    if preset.name != path.stem:
        raise BrokenCatalog(f"{path.name}: name: is {preset.name!r}, the file's name must be too")
    for key in sorted(preset.absent - set(preset.left_out)):
        raise BrokenCatalog(f"{path.name}: {key}: is absent and left_out gives no reason")
    for key in sorted(set(preset.left_out) - preset.absent):
        raise BrokenCatalog(f"{path.name}: left_out.{key}: gives a reason, but {key} is there")
    return preset


def _skus(path: Path) -> dict[str, Sku]:
    """The SKUs in one file, by name."""
    rows = document.read(path).get("skus")
    if not isinstance(rows, list) or not rows:
        raise BrokenCatalog(f"{path.name}: skus: must be a list with at least one row")
    found: dict[str, Sku] = {}
    for number, row in enumerate(rows):
        try:
            sku = Sku.model_validate(row)
        except ValidationError as error:
            raise BrokenCatalog(document.complaint(path, error, f"skus.{number}.")) from error
        if sku.name in found:
            raise BrokenCatalog(f"{path.name}: skus.{number}.name: {sku.name} is there twice")
        found[sku.name] = sku
    for sku in found.values():
        for field, other in (("successor", sku.successor), ("sold_as", sku.sold_as)):
            if other and other not in found:
                raise BrokenCatalog(f"{path.name}: {sku.name}.{field}: {other} is not in the table")
    return found
