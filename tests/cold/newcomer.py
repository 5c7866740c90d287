"""Somebody who has cloned the repository, on a machine that has Debian's smallest system alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.images.filesystems import SUITE
from tests.delivery.pages import ROOT

NOT_THEIRS = re.compile(r"KAITO_|XDG_|PYENV|VIRTUAL_ENV|PYTHON|PIP_FIND_LINKS|HOME$|PATH$|KUBE")
"""Variables of who runs the tests that a newcomer has not."""
MACHINE = ("/etc/resolv.conf", "/etc/hosts", "/usr/local/share/ca-certificates")
"""What a machine is told of its network: names, and the authorities of its proxies."""
ENTER = """\
mount --bind "$1" "$1"
cd "$1"
mkdir -p old "./$2"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount --bind "$2" "./$2"
pivot_root . old
umount -l /old
cd "$2/kaito"
exec bash
"""
"""A shell whose root is the first folder, with the second one where it is here."""


@dataclass(frozen=True)
class Newcomer:
    """Types commands into a shell, in a clone of what is committed.

    Attributes:
        folder: holds the file system, the clone, the cache and an environment of Python's.
    """

    folder: Path

    @property
    def system(self) -> Path:
        """The root of the newcomer's file system."""
        return self.folder / "root"

    @property
    def cache(self) -> Path:
        """The one folder for what is built and downloaded."""
        return self.folder / "cache"

    def arrive(self) -> None:
        """Install the smallest system, with neither Python nor git, and clone the repository."""
        smallest = ["mmdebstrap", "--quiet", "--variant=minbase", SUITE, str(self.system)]
        subprocess.run(smallest, check=True)
        for told in map(Path, MACHINE):
            place = self.system / told.relative_to("/")
            if told.is_dir():
                shutil.copytree(told, place, dirs_exist_ok=True)
            elif told.exists():
                shutil.copy(told, place)
        clone = ["git", "clone", "--quiet", str(ROOT), str(self.folder / "kaito")]
        subprocess.run(clone, check=True)

    def type(self, text: str) -> str:
        """Lines into one shell, by its standard input, as they stand: one that fails ends nothing.

        Returns:
            All that was printed.
        """
        theirs = {name: value for name, value in os.environ.items() if not NOT_THEIRS.match(name)}
        alone = ("unshare", "--mount", "--propagation", "private")
        done = subprocess.run(
            [*alone, "bash", "-euc", ENTER, "newcomer", str(self.system), str(self.folder)],
            input=text,
            env={
                **theirs,
                "HOME": "/root",
                "KAITO_CACHE": str(self.cache),
                "PATH": f"{self.folder}/environment/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "SHELL": "/bin/bash",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout
