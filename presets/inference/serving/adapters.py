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
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
LORA = "LORA"


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
        raise BadAdapter(name, "its name is no DNS label")
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

    def __init__(self, model: Any, names: tuple[str, ...]) -> None:
        self._model = model
        self._names = names
        self._current: str | None = None

    def __call__(self, name: str) -> None:
        """Make that adapter the model's; BASE for none. Only while nothing is calculated."""
        if not self._names or name == self._current:
            return
        if name == BASE:
            self._model.disable_adapters()
        else:
            self._model.set_adapter(inner(name))
            self._model.enable_adapters()
        self._current = name


def load_adapters(model: Any, folder: Path, adapters: AdapterFolder) -> AdapterSwitch:
    """Put every adapter into the model, and switch all of them off.

    Raises:
        BadAdapter: one does not fit; the message says what.
    """
    for name in adapters.loaded:
        load_adapter(model, folder / name, name)
    switch = AdapterSwitch(model, adapters.loaded)
    switch(BASE)
    return switch


def load_adapter(model: Any, folder: Path, name: str) -> None:
    """Put one adapter into the model."""
    try:
        info = model.load_adapter(str(folder), adapter_name=inner(name))
    except Exception as error:
        # Whatever a broken file makes the libraries raise, it is this adapter that is broken.
        raise BadAdapter(name, first_line(error)) from error
    if wrong := misfits(info):
        raise BadAdapter(name, f"does not fit the model: {wrong}")


def inner(name: str) -> str:
    """An adapter's name inside the model, where none may hold a dot."""
    return name.replace(".", "_")


def misfits(info: Any) -> str:
    """What has no place in the model, or is not in the adapter's file; "" if all fits."""
    mismatched = [str(each[0]) for each in info.mismatched_keys]
    found = {
        "wrong shape": mismatched,
        "no such place": sorted(info.unexpected_keys),
        "not in the file": sorted(info.missing_keys),
    }
    return "; ".join(
        f"{what}: {keys[0]} ({len(keys)} in all)" for what, keys in found.items() if keys
    )


def first_line(error: Exception) -> str:
    """An error in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
