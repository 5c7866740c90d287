"""Whether adapters fit the model, told before vLLM starts and, of what is left, by vLLM itself.

vLLM reads an adapter of a smaller model of the same kind without a word, and answers with it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights are.

    Attributes:
        model: folder, or name on the hub.
        revision: there; "" for its newest.
        cache: folder where vLLM keeps what it fetches; "" for the hub's own.
    """

    model: str
    revision: str = ""
    cache: str = ""


def check_adapters(model: Weights, folder: Path, names: Iterable[str]) -> None:
    """Refuse adapters of another model.

    Where the shapes of its weights cannot be had, vLLM's own look has to do.

    Args:
        model: the weights that are served.
        folder: of the adapters.
        names: of theirs, each of a folder in it.

    Raises:
        BadAdapter: one is for weights of another shape.
    """
    try:
        from lora.adapter import Adapter
        from lora.fit import check_dimensions
        from oci.refusals import NotAnAdapter

        shapes = model_shapes(model)
    except ImportError as error:
        log.warning("adapters.unchecked", reason=str(error))
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


def model_shapes(weights: Weights) -> Shapes:
    """Shapes of a model's tensors by plain name; none where neither hub nor cache tells them.

    Raises:
        ImportError: this image lacks what reads them.
    """
    from lora.fit import shapes_of

    if Path(weights.model).is_dir():
        return plainly(shapes_of(Path(weights.model)))
    from huggingface_hub import constants, errors

    unknown = (errors.NotASafetensorsRepoError, errors.SafetensorsParsingError)
    try:
        if constants.HF_HUB_OFFLINE:
            return plainly(shapes_of(kept(weights)))
        return told(weights)
    except (OSError, errors.HTTPError, *unknown) as error:
        log.warning("adapters.unchecked", reason=f"{type(error).__name__}: {error}")
        return {}


def plainly(shapes: Shapes) -> Shapes:
    """The same by plain name."""
    return {plain(name): shape for name, shape in shapes.items()}


def kept(weights: Weights) -> Path:
    """The folder of weights that were fetched before.

    Raises:
        LocalEntryNotFoundError: they were not; an OSError.
    """
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            weights.model,
            revision=weights.revision or None,
            cache_dir=weights.cache or None,
            local_files_only=True,
        )
    )


def told(weights: Weights) -> Shapes:
    """What the hub says of them.

    Raises:
        OSError, HTTPError: it does not answer.
        NotASafetensorsRepoError, SafetensorsParsingError: it has them in another format.
    """
    from huggingface_hub import get_safetensors_metadata

    found = get_safetensors_metadata(weights.model, revision=weights.revision or None)
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
    # Another version may call it by another name; the reason is worth more than the adapter's name.
    name = getattr(known.get("lora"), "name", "of-the-list")
    return BadAdapter(name, f"vLLM cannot load it: {lines[0]}")
