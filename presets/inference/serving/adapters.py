"""The adapters of a folder: which there are, and how they get into the model.

docs/reference/image.md says what the folder looks like.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errors import BadAdapter
from serving.job import BASE

MERGED = ".merged"
NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,251}[a-zA-Z0-9])?")
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
LORA = "LORA"
MISFITS = ("size mismatch", "NoMatchingPeftModuleError")
"""What PEFT says of an adapter of another model."""


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """What a folder of adapters holds."""

    names: tuple[str, ...] = ()
    merged: str = BASE
    """The adapter that stands for all of them together; BASE where there is none."""

    @property
    def loaded(self) -> tuple[str, ...]:
        """Everything that is read, by the name of its own folder."""
        return tuple(dict.fromkeys((*self.names, self.merged))) if self.names else ()


def adapter_folder(folder: Path, *, model_name: str) -> AdapterFolder:
    """The adapters in a folder; none where there is no such folder.

    Raises:
        BadAdapter: a name cannot be served, a file is missing, or the merged one is.
    """
    found = (
        sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    )
    names = tuple(name for name in found if not name.startswith("."))
    for name in names:
        check_name(name, model_name=model_name)
    merged = MERGED if MERGED in found else "".join(names[:1])
    if len(names) > 1 and merged != MERGED:
        raise BadAdapter(MERGED, f"is missing beside {', '.join(names)}")
    adapters = AdapterFolder(names, merged)
    for name in adapters.loaded:
        check_files(folder / name, name)
    return adapters


def check_name(name: str, *, model_name: str) -> None:
    """Refuse a name that clients could not say."""
    if not NAME.fullmatch(name):
        raise BadAdapter(name, "its name is not letters, digits and '-' between them")
    if name == model_name:
        raise BadAdapter(name, "the model itself has that name")


def check_files(folder: Path, name: str) -> None:
    """Refuse a folder that is no LoRA of PEFT's."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadAdapter(name, f"{CONFIG} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadAdapter(name, f"{CONFIG} is no JSON: {error}") from error
    kind = config.get("peft_type") if isinstance(config, dict) else None
    if kind != LORA:
        raise BadAdapter(name, f"its peft_type is {kind}, and only {LORA} is served")
    if not (folder / WEIGHTS).is_file():
        raise BadAdapter(name, f"{WEIGHTS} is missing")


class AdapterSwitch:
    """The adapters in a model, and which of them it calculates with."""

    def __init__(self, adapted: Any) -> None:
        """Begin with none of them.

        Args:
            adapted: PEFT's wrapper of the model; None for a model without adapters.
        """
        self._adapted = adapted
        self._current = BASE
        if adapted is not None:
            adapted.base_model.disable_adapter_layers()

    def __call__(self, name: str) -> None:
        """Make that adapter the model's; BASE for none. Only while nothing is calculated."""
        if name == self._current:
            return
        if name == BASE:
            self._adapted.base_model.disable_adapter_layers()
        else:
            self._adapted.set_adapter(inner(name))
            self._adapted.base_model.enable_adapter_layers()
        self._current = name


def load_adapters(model: Any, folder: Path, adapters: AdapterFolder) -> AdapterSwitch:
    """Put every adapter into the model's layers, and switch all of them off.

    Raises:
        BadAdapter: one does not fit; the message says what.
    """
    adapted = None
    for name in adapters.loaded:
        adapted = with_adapter(model, adapted, folder / name, name)
    return AdapterSwitch(adapted)


def with_adapter(model: Any, adapted: Any, folder: Path, name: str) -> Any:
    """PEFT's wrapper of the model with one adapter more."""
    try:
        adapted, missing, unexpected = loaded(model, adapted, folder, inner(name))
    except Exception as error:
        # Whatever a broken file makes the libraries raise, it is this adapter that is broken.
        raise BadAdapter(name, explained(first_line(error))) from error
    found = {"no such place": unexpected, "not in the file": missing}
    if wrong := [f"{what}: {keys[0]} ({len(keys)} in all)" for what, keys in found.items() if keys]:
        raise BadAdapter(name, f"does not fit the model: {'; '.join(wrong)}")
    return adapted


def loaded(model: Any, adapted: Any, folder: Path, name: str) -> tuple[Any, list[str], list[str]]:
    """The wrapper, the adapter's weights that its file lacks, and those that fit nowhere."""
    from peft import PeftConfig, PeftModel, load_peft_weights, set_peft_model_state_dict

    config = PeftConfig.from_pretrained(str(folder))
    config.inference_mode = True
    if adapted is None:
        adapted = PeftModel(model, config, adapter_name=name)
    else:
        adapted.add_adapter(name, config)
    weights = load_peft_weights(str(folder), device=str(model.device))
    result = set_peft_model_state_dict(adapted, weights, adapter_name=name)
    # PEFT counts the model's own weights as missing, too.
    missing = [key for key in result.missing_keys if f".{name}." in key]
    return adapted, missing, list(result.unexpected_keys)


def inner(name: str) -> str:
    """An adapter's name inside the model: without a dot, and no word of torch's own, as `half`."""
    return f"adapter-{name.replace('.', '_')}"


def explained(said: str) -> str:
    """What the libraries said, behind what is to be done where that can be told."""
    if any(sign in said for sign in MISFITS):
        return f"does not fit the model: serve it with the one that it was trained on ({said})"
    return said


def first_line(error: Exception) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {' '.join(lines[:2])}"
