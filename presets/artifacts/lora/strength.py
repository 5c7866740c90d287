"""The strength of adapters, applied once where they are unpacked, and several of them as one.

A LoRA adds scaling · B · A to a weight. A strength is one more factor, which goes into B. The sum
of several such updates is again one: their A below each other, their B beside each other, each B
with its own factors. Nothing is approximated; only the rank is the sum of theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lora.adapter import CONFIG, PATTERNS, WEIGHTS, Adapter, Pair
from lora.tensors import Tensor, write
from oci.refusals import NotAnAdapter


def weigh(folder: Path, adapter: Adapter, strength: float) -> None:
    """Multiply every B in the folder of `adapter`; at full strength the file stays as it came."""
    if strength == 1:
        return
    tensors: dict[str, Tensor] = {}
    for pair in adapter.pairs.values():
        tensors[pair.names[0]] = pair.down
        tensors[pair.names[1]] = pair.up * np.float32(strength)
    write(folder / WEIGHTS, tensors)


def even(folder: Path, adapter: Adapter) -> None:
    """Write the adapter of a folder with one rank and one factor, where its modules differ in them.

    vLLM reads `r` and `lora_alpha` and no patterns: it would serve other weights, without a word.
    """
    if any(adapter.config.get(key) for key in PATTERNS):
        _write_sum([adapter], folder)


def merge(adapters: Sequence[Adapter], folder: Path) -> None:
    """Write one adapter whose update is the sum of all, into a new folder.

    Args:
        adapters: at least one, as they were weighed, all of one base model.
        folder: is made.

    Raises:
        NotAnAdapter: they do not fit one model.
    """
    folder.mkdir(parents=True)
    _write_sum(adapters, folder)


def _write_sum(adapters: Sequence[Adapter], folder: Path) -> None:
    """Both files of the sum."""
    ranks = [adapter.rank for adapter in adapters]
    modules = sorted({module for adapter in adapters for module in adapter.pairs})
    tensors: dict[str, Tensor] = {}
    for module in modules:
        tensors |= _joined([adapter.pairs.get(module) for adapter in adapters], ranks)
    write(folder / WEIGHTS, tensors)
    config = _config(adapters, modules, rank=sum(ranks))
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def _joined(pairs: Sequence[Pair | None], ranks: Sequence[int]) -> Mapping[str, Tensor]:
    """One module's matrices; an adapter that leaves it alone adds zeros, so that ranks agree."""
    known = next(pair for pair in pairs if pair)
    down_shape, up_shape = known.down.shape[1:], (known.up.shape[0], *known.up.shape[2:])
    downs: list[Tensor] = []
    ups: list[Tensor] = []
    for pair, rank in zip(pairs, ranks, strict=True):
        down = np.zeros((rank, *down_shape), np.float32)
        up = np.zeros((known.up.shape[0], rank, *known.up.shape[2:]), np.float32)
        if pair:
            if (pair.down.shape[1:], (pair.up.shape[0], *pair.up.shape[2:])) != (
                down_shape,
                up_shape,
            ):
                raise NotAnAdapter(
                    f"the adapters are of different models: {pair.module} has other dimensions",
                    "use adapters of the same base model",
                )
            down[: pair.rank] = pair.down
            up[:, : pair.rank] = pair.up * np.float32(pair.scaling)
        downs.append(down)
        ups.append(up)
    return {
        known.names[0]: np.concatenate(downs, axis=0),
        known.names[1]: np.concatenate(ups, axis=1),
    }


def _config(
    adapters: Sequence[Adapter], modules: Sequence[str], *, rank: int
) -> Mapping[str, object]:
    """Configuration of the sum: its factors are in its matrices already."""
    first = adapters[0].config
    kept = ("base_model_name_or_path", "revision", "task_type", "fan_in_fan_out")
    return {
        **{key: first[key] for key in kept if key in first},
        "peft_type": "LORA",
        "inference_mode": True,
        "bias": "none",
        "lora_dropout": 0.0,
        "r": rank,
        "lora_alpha": rank,
        "target_modules": list(modules),
    }
