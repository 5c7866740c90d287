"""What vLLM's own server is started with, out of our command line and a folder of adapters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from front.settings import QUEUE_FLAG
from serving.adapters import CONFIG, AdapterFolder, adapter_folder
from serving.errors import BadAdapter

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` takes, in vLLM 0.25: it makes room before it reads the adapters."""
ADAPTERS_FLAG = "--adapters-dir="
NAME_FLAG = "--served-model-name="
NOT_VLLMS = (ADAPTERS_FLAG, QUEUE_FLAG)
REQUEST_IDS = "--enable-request-id-headers"
"""What the middleware does in any case."""
MIDDLEWARE = "--middleware=front.app.Front"
REVISION_FLAG = "--revision="
CACHE_FLAG = "--download-dir="
DRAIN_FLAG = "--shutdown-timeout="
DRAIN = f"{DRAIN_FLAG}25"
"""Seconds for what runs when it is told to end, as in our other server; vLLM gives none."""
MODEL_VARIABLE = "KAITO_CHAT_MODEL"
"""Says which of the served models answers `/chat`; without it, that is the one without adapters."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What is to run.

    Attributes:
        command: argument vector.
        chat_model: which of the served models answers `/chat`; "" for the one without adapters.
        adapters: names of those that vLLM loads, each of a folder in that of `--adapters-dir`.
    """

    command: tuple[str, ...]
    chat_model: str = ""
    adapters: tuple[str, ...] = ()


def launch(words: Sequence[str]) -> Launch:
    """What runs vLLM with the adapters of `--adapters-dir`.

    Args:
        words: our command line: the model, vLLM's own flags, and the folder's.

    Raises:
        BadAdapter: one cannot be served; the message names it and says why.
    """
    own = [word for word in words if not word.startswith(NOT_VLLMS) and word != REQUEST_IDS]
    drain = () if value(own, DRAIN_FLAG) else (DRAIN,)
    command = ("vllm", "serve", *own, *drain, MIDDLEWARE)
    folder = value(words, ADAPTERS_FLAG)
    if not folder:
        return Launch(command)
    found = adapter_folder(Path(folder), model_name=value(words, NAME_FLAG))
    if not found.names:
        return Launch(command)
    alone = len(found.names) == 1
    # A single adapter is its own sum.
    served = AdapterFolder(found.names, found.names[0] if alone else found.merged)
    flags = lora_flags(Path(folder), served.loaded)
    return Launch((*command, *flags), served.merged, served.loaded)


def value(words: Sequence[str], flag: str) -> str:
    """What follows a flag that ends in "="; "" where it is not given."""
    return next((word.removeprefix(flag) for word in words if word.startswith(flag)), "")


def lora_flags(folder: Path, names: Sequence[str]) -> list[str]:
    """What tells vLLM of the adapters in a folder: all of them may be in one batch."""
    rank = max(rank_of(folder / name, name) for name in names)
    room = next(room for room in RANKS if room >= rank)
    modules = [f"{name}={folder / name}" for name in names]
    flags = ["--enable-lora", f"--max-loras={len(names)}", f"--max-lora-rank={room}"]
    return [*flags, "--lora-modules", *modules]


def rank_of(folder: Path, name: str) -> int:
    """The rank of an adapter, which vLLM has to have room for."""
    config: Mapping[str, object] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    rank = config.get("r")
    if not isinstance(rank, int) or rank < 1:
        raise BadAdapter(name, f"{CONFIG} says that its rank is {rank!r}")
    if rank > RANKS[-1]:
        raise BadAdapter(name, f"its rank is {rank}, and vLLM serves {RANKS[-1]} at most")
    return rank
