"""One LoRA adapter as PEFT saves it: two files in a folder, looked at closely before it is served.

What cannot be weighed and combined exactly is refused here, where the reason can be said.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lora.tensors import Tensor, read
from oci.refusals import NotAnAdapter

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLE = "adapter_model.bin"
FILES = (CONFIG, WEIGHTS, PICKLE)
PATTERNS = ("rank_pattern", "alpha_pattern")
"""Keys of the configuration by which modules differ in rank and factor."""
MATRIX = 2
"""Dimensions of a matrix; those of convolutions have more."""

_HALF = re.compile(r"(?P<module>.+)\.(?P<half>lora(?:_embedding)?_[AB])(?P<rest>\..+)?")
_PREFIX = "base_model.model."
_WRONG = "take the adapter of a LoRA, saved by PEFT's save_pretrained"


@dataclass(frozen=True, slots=True)
class Pair:
    """The update of one module: the product of two matrices, times `scaling`.

    Attributes:
        module: its name in the base model.
        names: of both tensors in the file.
        down: A, of shape (rank, …).
        up: B, of shape (…, rank, …).
        scaling: what the product is multiplied with.
    """

    module: str
    names: tuple[str, str]
    down: Tensor
    up: Tensor
    scaling: float

    @property
    def rank(self) -> int:
        """Common dimension of both."""
        return int(self.down.shape[0])


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that has been read and found whole.

    Attributes:
        config: adapter_config.json.
        pairs: by module.
    """

    config: Mapping[str, object]
    pairs: Mapping[str, Pair]

    @property
    def rank(self) -> int:
        """The highest of its modules."""
        return max(pair.rank for pair in self.pairs.values())

    @classmethod
    def load(cls, folder: Path) -> Adapter:
        """Read the adapter in a folder.

        Raises:
            NotAnAdapter: it is none, or one that cannot be weighed exactly.
        """
        if not (folder / CONFIG).is_file():
            raise NotAnAdapter(f"it holds no {CONFIG}", _WRONG)
        if not (folder / WEIGHTS).is_file():
            raise _without_weights(folder)
        config = _config(folder / CONFIG)
        return cls(config, _pairs(config, read(folder / WEIGHTS)))


def _without_weights(folder: Path) -> NotAnAdapter:
    if (folder / PICKLE).is_file():
        return NotAnAdapter(
            f"its weights are in {PICKLE}, a pickle, which may run code when it is read",
            f"save it as {WEIGHTS}: save_pretrained(…, safe_serialization=True)",
        )
    return NotAnAdapter(f"it holds no {WEIGHTS} beside {CONFIG}", _WRONG)


def _config(path: Path) -> Mapping[str, object]:
    """The configuration, once nothing in it stands against serving the adapter."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotAnAdapter(f"{CONFIG} is no JSON: {error}", _WRONG) from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else None
        raise NotAnAdapter(f"{CONFIG} is of the type {kind!r} and not LORA", _WRONG)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, (int, float)):
        raise NotAnAdapter(f"{CONFIG} says r {rank!r} and lora_alpha {alpha!r}", _WRONG)
    for key, what in (
        ("use_dora", "DoRA"),
        ("modules_to_save", "whole modules (modules_to_save)"),
        ("lora_bias", "a bias (lora_bias)"),
    ):
        if config.get(key):
            raise NotAnAdapter(
                f"it has {what}, which no strength can be applied to exactly",
                "train a plain LoRA",
            )
    return config


def _pairs(config: Mapping[str, object], tensors: Mapping[str, Tensor]) -> Mapping[str, Pair]:
    """The halves of each module together."""
    halves: dict[str, dict[str, str]] = {}
    for name in tensors:
        found = _HALF.fullmatch(name)
        if found is None:
            raise NotAnAdapter(f"{WEIGHTS} holds {name}, which is no part of a LoRA", _WRONG)
        halves.setdefault(found["module"], {})[found["half"][-1]] = name
    if not halves:
        raise NotAnAdapter(f"{WEIGHTS} holds no tensor", _WRONG)
    pairs = (_pair(config, module, names, tensors) for module, names in halves.items())
    return {pair.module: pair for pair in pairs}


def _pair(
    config: Mapping[str, object],
    module: str,
    names: Mapping[str, str],
    tensors: Mapping[str, Tensor],
) -> Pair:
    if set(names) != {"A", "B"}:
        raise NotAnAdapter(f"{WEIGHTS} holds half of what {module} needs", "save the adapter anew")
    down, up = tensors[names["A"]], tensors[names["B"]]
    module = module.removeprefix(_PREFIX)
    if down.ndim < MATRIX or up.ndim != down.ndim or down.shape[0] != up.shape[1]:
        raise NotAnAdapter(
            f"the matrices of {module} do not fit each other: {down.shape} and {up.shape}",
            "save the adapter anew",
        )
    rank = _number(config, "rank_pattern", "r", module)
    if rank != down.shape[0]:
        raise NotAnAdapter(
            f"{CONFIG} says rank {rank:g} and {WEIGHTS} holds {down.shape[0]} at {module}",
            "push both files of one and the same adapter",
        )
    alpha = _number(config, "alpha_pattern", "lora_alpha", module)
    scaling = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    return Pair(module, (names["A"], names["B"]), down, up, scaling)


def _number(config: Mapping[str, object], patterns: str, key: str, module: str) -> float:
    """A figure of the configuration, as PEFT finds it for one module."""
    found = config.get(patterns)
    for pattern, value in (found if isinstance(found, dict) else {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return float(value)
    return float(str(config[key]))
