"""Whether an adapter fits the weights of a model, told from the headers of their files alone."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lora.adapter import Adapter, Pair
from oci.refusals import NotAnAdapter

Shapes = Mapping[str, tuple[int, ...]]

_LENGTH = struct.Struct("<Q")
"""What a safetensors file begins with: bytes of the header behind it."""
_MOST_BYTES = 100 << 20
"""Longest header that the format allows."""
_WHOLE = frozenset({"F64", "F32", "F16", "BF16"})
"""Kinds of numbers whose tensors have their true shapes; quantized ones are packed."""
_REMEDY = "serve it with the preset that it was trained on, or take it out of inference.adapters"


def shapes_of(folder: Path) -> Shapes:
    """Shapes of a model's tensors by name, out of all its safetensors files; () of a packed one.

    A file that is none is left to the server, which says so.
    """
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in _header(path).items():
            if name != "__metadata__":
                found[name] = tuple(tensor["shape"]) if tensor["dtype"] in _WHOLE else ()
    return found


def check_fit(adapter: Adapter, shapes: Shapes) -> None:
    """Refuse an adapter of another model.

    What the files do not tell is left to the server: weights of another format, modules that are
    known by other names there, such as a head that shares its weights.

    Args:
        adapter: as it was read.
        shapes: of the model's weights; empty where they are not known.

    Raises:
        NotAnAdapter: a module has other dimensions, or the model has none of its modules.
    """
    modules = {name.rpartition(".")[0] for name in shapes}
    trained_on = adapter.config.get("base_model_name_or_path") or "a model that it does not name"
    if shapes and modules.isdisjoint(adapter.pairs):
        module = min(adapter.pairs)
        raise NotAnAdapter(
            f"it does not fit the model: it changes {module}, which the model does not have;"
            f" it was trained on {trained_on}",
            _REMEDY,
        )
    check_dimensions(adapter, shapes)


def check_dimensions(adapter: Adapter, shapes: Shapes) -> None:
    """Refuse an adapter whose modules have other dimensions than the model's of the same names.

    Raises:
        NotAnAdapter: one has.
    """
    trained_on = adapter.config.get("base_model_name_or_path") or "a model that it does not name"
    for pair in adapter.pairs.values():
        _check_pair(pair, shapes.get(f"{pair.module}.weight", ()), str(trained_on))


def _check_pair(pair: Pair, shape: tuple[int, ...], trained_on: str) -> None:
    wanted = (pair.up.shape[0], *pair.down.shape[1:])
    # An embedding's matrix lies the other way round, and so do GPT-2's.
    if len(wanted) == len(shape) and wanted not in (shape, shape[::-1]):
        raise NotAnAdapter(
            f"it does not fit the model: its {pair.module} is for {_times(wanted)} weights,"
            f" and the model's has {_times(shape)}; it was trained on {trained_on}",
            _REMEDY,
        )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)


def _header(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        start = file.read(_LENGTH.size)
        length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else 0
        if not 0 < length <= _MOST_BYTES:
            return {}
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return {}
    return header if isinstance(header, dict) else {}
