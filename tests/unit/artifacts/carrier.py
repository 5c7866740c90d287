"""The program as containers run it, and adapters to carry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.ociregistry import OciRegistry

PROGRAM = Path(__file__).parents[3] / "presets" / "artifacts" / "artifacts.py"
MODULE = "model.layers.0.self_attn.qkv_proj"
CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["qkv_proj"]}
TEAM = "team"


@dataclass(frozen=True, slots=True)
class Done:
    """A run that has ended.

    Attributes:
        code: its exit code.
        note: its last words.
        events: its log.
    """

    code: int
    note: str
    events: tuple[dict[str, object], ...]

    def named(self, event: str) -> list[dict[str, object]]:
        """The lines of one event."""
        return [line for line in self.events if line["event"] == event]


class Carrier:
    """Runs the program as a process of its own."""

    def __init__(self, registry: OciRegistry, folder: Path) -> None:
        self.registry = registry
        self.folder = folder
        self.secrets = folder / "secrets"
        self.authority = registry.authority
        registry.secret(self.secrets / TEAM)

    def image(self, name: str) -> str:
        """A reference in the registry."""
        return f"{self.registry.address}/{name}"

    def run(self, verb: str, *items: Mapping[str, object], **options: object) -> Done:
        """Run a verb to its end."""
        note = self.folder / "note"
        note.write_text("")
        done = subprocess.run(
            self.command(verb, *items, **options), capture_output=True, text=True, check=False
        )
        lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        assert not [line for line in done.stderr.splitlines() if not line.startswith("{")], (
            done.stderr
        )
        return Done(done.returncode, note.read_text(), tuple(lines))

    def command(self, verb: str, *items: Mapping[str, object], **options: object) -> list[str]:
        """Its command line."""
        options = {
            "secrets": self.secrets,
            "scratch": self.folder,
            "termination-log": self.folder / "note",
            "ca-bundle": self.authority,
            "retry-seconds": 0,
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        words = [
            f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()
        ]
        return [
            sys.executable,
            str(PROGRAM),
            verb,
            *words,
            *(f"--item={json.dumps(item)}" for item in items),
        ]

    def item(self, at: str, **more: object) -> dict[str, object]:
        """An adapter of that reference, as the operator names it."""
        return {
            "field": "inference.adapters[0].source.image",
            "kind": "adapter",
            "image": self.image(at),
            "name": "legal",
            "secrets": [TEAM],
            **more,
        }

    def push(self, folder: Path, image: str, **more: object) -> Done:
        """Push a folder."""
        return self.run("push", self.item(image, **{"kind": "image", **more}), folder=folder)


def an_adapter(folder: Path, *, seed: int = 0, rank: int = 2, **config: object) -> Path:
    """A folder with an adapter of one module, 3 wide and 5 high."""
    folder.mkdir(parents=True)
    numbers = np.random.default_rng(seed)
    tensors = {
        f"base_model.model.{MODULE}.lora_A.weight": numbers.normal(size=(rank, 3)),
        f"base_model.model.{MODULE}.lora_B.weight": numbers.normal(size=(5, rank)),
    }
    save_file(
        {name: value.astype(np.float32) for name, value in tensors.items()},
        folder / "adapter_model.safetensors",
    )
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, "r": rank, **config}))
    return folder


def run(command: list[str], **environment: str) -> tuple[int, list[Mapping[str, object]]]:
    """Exit code and log of a command, with no more variables than these."""
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]
