"""Tensors of safetensors files as float32 arrays, whatever they are stored as."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save_file

from oci.refusals import NotAnAdapter

Tensor = NDArray[np.float32]
_FORMATS: Mapping[str, str] = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file.

    Raises:
        NotAnAdapter: it is no such file, or holds numbers of another kind.
    """
    try:
        found: list[tuple[str, Mapping[str, object]]] = deserialize(  # type: ignore[no-untyped-call]  # its stub has no types
            path.read_bytes()
        )
    except SafetensorError as error:
        raise NotAnAdapter(
            f"{path.name} is no safetensors file: {error}", "save the adapter anew"
        ) from error
    return {name: _array(name, view) for name, view in found}


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as float32, in the order of their names: the same ones give the same bytes."""
    ordered = {name: np.ascontiguousarray(tensors[name], "<f4") for name in sorted(tensors)}
    save_file(ordered, path, metadata={"format": "pt"})
    path.chmod(0o644)


def _array(name: str, view: Mapping[str, object]) -> Tensor:
    """One tensor."""
    dtype, shape, data = view["dtype"], view["shape"], view["data"]
    if not isinstance(data, (bytes, bytearray)) or not isinstance(shape, list):
        raise TypeError(f"safetensors gives {name} in a form that is not known")
    if dtype == "BF16":
        # The upper half of a float32.
        wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return wide.view(np.float32).reshape(shape)
    if dtype not in _FORMATS:
        raise NotAnAdapter(
            f"tensor {name} holds numbers of the kind {dtype}", "save the adapter as float32"
        )
    return np.frombuffer(data, _FORMATS[str(dtype)]).astype(np.float32).reshape(shape)
