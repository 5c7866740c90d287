"""The catalogue: every preset and every SKU, by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml
from pydantic import ValidationError

from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.kube.errors import OperatorError


class BrokenCatalog(OperatorError):
    """A file of the catalogue does not say what it must."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """What can be run, and on what.

    Attributes:
        presets: by name; aliases are keys too.
        skus: by name of the instance type.
    """

    presets: Mapping[str, Preset]
    skus: Mapping[str, Sku]

    def close_names(self, preset: str) -> tuple[str, ...]:
        """Names of presets that `preset` may be a slip of, the closest first."""
        return tuple(difflib.get_close_matches(preset, self.presets, n=3, cutoff=0.5))


def read_catalog(folder: Path) -> Catalog:
    """Read presets/models and presets/skus.

    Args:
        folder: the presets folder.

    Raises:
        BrokenCatalog: a file is missing, malformed, or names something twice.
    """
    presets: dict[str, Preset] = {}
    for path in sorted((folder / "models").glob("*.yaml")):
        preset = _preset(path)
        for name in (preset.name, *preset.aliases):
            if name in presets:
                raise BrokenCatalog(f"{path.name}: the name {name!r} is taken by another preset")
            presets[name] = preset
    skus = {
        sku.name: sku for path in sorted((folder / "skus").glob("*.yaml")) for sku in _skus(path)
    }
    if not presets or not skus:
        raise BrokenCatalog(f"{folder}: needs models/*.yaml and skus/*.yaml, at least one of each")
    return Catalog(MappingProxyType(presets), MappingProxyType(skus))


def _preset(path: Path) -> Preset:
    """The preset in one file."""
    try:
        return Preset.model_validate(yaml.safe_load(path.read_text()))
    except (yaml.YAMLError, ValidationError) as error:
        raise BrokenCatalog(f"{path.name}: {error}") from error


def _skus(path: Path) -> tuple[Sku, ...]:
    """The SKUs in one file."""
    try:
        return tuple(Sku.model_validate(row) for row in yaml.safe_load(path.read_text())["skus"])
    except (yaml.YAMLError, ValidationError, KeyError, TypeError) as error:
        raise BrokenCatalog(f"{path.name}: {error}") from error
