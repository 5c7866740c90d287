"""Run a program from an image's file system as a kubelet would: its user, nothing writable.

Another architecture's programs are run by QEMU's emulator of one process.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.cluster.kubelet.bubblewrap import BWRAP, TMP

EMULATOR = f"{TMP}/emulator"
"""Where the sandbox has it: the one folder that is not the image's."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """An image's file system, ready to run programs.

    Attributes:
        root: where it is on this machine.
        config: what the image says: User, Env, WorkingDir.
        emulator: program that runs the image's programs, None on a machine of the same kind.
        scratch: whether /tmp can be written, as where the pod has a volume there.
        shared: folders of this machine below /tmp, which can be read and written where they are.
        lent: what is of this machine besides, to be read, by where the image would have it.
        is_networked: whether it shares this machine's network.
    """

    root: Path
    config: Mapping[str, Any]
    emulator: Path | None = None
    scratch: bool = False
    shared: tuple[Path, ...] = ()
    lent: Mapping[str, Path] = field(default_factory=dict)
    is_networked: bool = False

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, with no variables but the image's."""
        return subprocess.run(self.command(*words), capture_output=True, check=False, text=True)

    def command(self, *words: str) -> list[str]:
        """The command line that runs a program of the image."""
        return [*self._sandbox(), *self._program(words)]

    def _sandbox(self) -> Sequence[str]:
        uid, _, gid = str(self.config["User"]).partition(":")
        pairs = (each.split("=", 1) for each in self.config["Env"])
        emulator = ("--ro-bind", str(self.emulator), EMULATOR) if self.emulator else ()
        return (
            *(BWRAP, "--unshare-all", "--unshare-user", "--uid", uid, "--gid", gid),
            *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
            *(word for pair in pairs for word in ("--setenv", *pair)),
            *("--ro-bind", str(self.root), "/", "--dev", "/dev", "--proc", "/proc"),
            *(("--tmpfs", TMP) if self.emulator or self.scratch else ()),
            *emulator,
            *(word for each in self.shared for word in ("--bind", str(each), str(each))),
            *(word for at, each in self.lent.items() for word in ("--ro-bind", str(each), at)),
            *(("--share-net",) if self.is_networked else ()),
            *("--chdir", str(self.config["WorkingDir"]), "--"),
        )

    def _program(self, words: Sequence[str]) -> Sequence[str]:
        """The emulator does not look along PATH."""
        if self.emulator is None:
            return words
        path = next(each[5:] for each in self.config["Env"] if each.startswith("PATH="))
        found = (f"{folder}/{words[0]}" for folder in path.split(":"))
        program = next(each for each in found if (self.root / each.lstrip("/")).is_symlink())
        return (EMULATOR, program, *words[1:])
