"""Whether adapters fit the model, told before vLLM starts and, of what is left, by vLLM itself.

vLLM reads an adapter of a smaller model of the same kind without a word, and answers with it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving import log
from serving.errors import BadAdapter

if TYPE_CHECKING:
    from lora.fit import Shapes

UNPACKED = frozenset({"F64", "F32", "F16", "BF16"})
"""Kinds of numbers whose tensors have their true shapes."""
LOADING = "init_static_loras"
"""The function of vLLM's that loads the adapters of its command line, one after the other."""


def check_adapters(model: str, revision: str, folder: Path, names: Iterable[str]) -> None:
    """Refuse adapters of another model.

    Where the shapes of its weights cannot be had, vLLM's own look has to do.

    Args:
        model: folder, or name on the hub.
        revision: there.
        folder: of the adapters.
        names: of theirs, each of a folder in it.

    Raises:
        BadAdapter: one is for weights of another shape.
    """
    try:
        from lora.adapter import Adapter
        from lora.fit import check_dimensions
        from oci.refusals import NotAnAdapter

        shapes = model_shapes(model, revision)
    except ImportError as error:
        log.LOG.warning("adapters.unchecked", reason=str(error))
        return
    for name in names if shapes else ():
        try:
            adapter = Adapter.load(folder / name)
            pairs = (replace(pair, module=plain(pair.module)) for pair in adapter.pairs.values())
            check_dimensions(replace(adapter, pairs={pair.module: pair for pair in pairs}), shapes)
        except NotAnAdapter as error:
            raise BadAdapter(name, error.said) from error


def plain(name: str) -> str:
    """A module's or a tensor's name without the part that a model of pictures has before it.

    Checkpoints and PEFT put it at different places, or leave it out.
    """
    return name.replace("language_model.", "")


def model_shapes(model: str, revision: str) -> Shapes:
    """Shapes of a model's tensors by plain name; none where the hub does not tell them.

    Raises:
        ImportError: this image lacks what reads them.
    """
    from lora.fit import shapes_of

    if Path(model).is_dir():
        return {plain(name): shape for name, shape in shapes_of(Path(model)).items()}
    from huggingface_hub import errors, get_safetensors_metadata

    unknown = (errors.NotASafetensorsRepoError, errors.SafetensorsParsingError)
    try:
        found = get_safetensors_metadata(model, revision=revision or None)
    except (OSError, errors.HTTPError, *unknown) as error:
        log.LOG.warning("adapters.unchecked", reason=f"{type(error).__name__}: {error}")
        return {}
    return dict(tensors(found.files_metadata.values()))


def tensors(files: Iterable[Any]) -> Iterable[tuple[str, tuple[int, ...]]]:
    """Plain name and shape of each tensor; () of a packed one."""
    for file in files:
        for name, tensor in file.tensors.items():
            yield plain(name), tuple(tensor.shape) if tensor.dtype in UNPACKED else ()


def refused_by_vllm(error: ValueError) -> BadAdapter | None:
    """The adapter that vLLM could not load when it started; None where it is about another thing.

    Its message does not name it: the place where it was raised does.
    """
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    if frame.f_code.co_name != LOADING:
        return None
    lines = str(error).strip().splitlines() or [""]
    known: Mapping[str, Any] = frame.f_locals
    return BadAdapter(known["lora"].name, f"vLLM cannot load it: {lines[0]}")
