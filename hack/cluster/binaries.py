"""Where the programs of the control plane come from, in a fixed order.

1. the folder `KUBEBUILDER_ASSETS`, for those that it holds;
2. the cache;
3. the official releases, where they answer within seconds, and never offline;
4. a build with Go from pinned modules.

kubectl is the machine's own where it has one that works.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.failures import Unobtainable
from hack.cluster.golang import Builder, pinned_version
from hack.cluster.releases import Releases

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
PLUGIN = "kubectl-kaito"

Commands = Mapping[str, tuple[str, ...]]
"""For each part the words that start it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The ways to the programs.

    Attributes:
        assets: `KUBEBUILDER_ASSETS`, None when it is not set.
        releases: the official ones.
        builder: the build with Go.
        cache: the cache folder.
        offline: whether nothing may be downloaded.
    """

    assets: Path | None
    releases: Releases
    builder: Builder
    cache: Path
    offline: bool

    def commands(self) -> Commands:
        """Find or make every program.

        Raises:
            Unobtainable: none of the ways works; the message names them all.
        """
        found: dict[str, tuple[str, ...]] = {}
        if own := _own_kubectl():
            found["kubectl"] = (own,)
        if self.assets is not None:
            found |= _programs_in(self.assets)
        if all(part in found for part in PARTS):
            return found
        with only_one(self.cache / "bin", self.builder.report):
            return {**self._kept_or_made(), **found}

    def _kept_or_made(self) -> Commands:
        release = self.releases.folder(self.cache)
        if release.exists():
            return _programs_in(release)
        if self.builder.target.exists():
            return _one_program(self.builder.target)
        failures = []
        if not self.offline:
            try:
                return _programs_in(self.releases.download(self.cache))
            except Unobtainable as failure:
                failures.append(str(failure))
                self.builder.report(str(failure))
        try:
            return _one_program(self.builder.build())
        except Unobtainable as failure:
            failures.append(str(failure))
        raise Unobtainable(_advice(failures, self.releases.kubernetes))


def sources(repo: Path, cache: Path, *, offline: bool, report: Callable[[str], None]) -> Sources:
    """The ways that this machine and this checkout have.

    Raises:
        Unobtainable: `KUBEBUILDER_ASSETS` names no folder.
    """
    folder = repo / "hack" / "controlplane"
    kubernetes = pinned_version(folder, "k8s.io/kubernetes")
    etcd = pinned_version(folder, "go.etcd.io/etcd/server/v3")
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and not Path(assets).is_dir():
        raise Unobtainable(
            f"KUBEBUILDER_ASSETS names {assets}, which is no folder: unset it, or name a folder "
            f"that holds {', '.join(PARTS[:-1])}"
        )
    return Sources(
        assets=Path(assets).absolute() if assets else None,
        releases=Releases(kubernetes, etcd, report),
        builder=Builder(folder, cache, offline=offline, report=report),
        cache=cache,
        offline=offline,
    )


def plugin(repo: Path) -> tuple[str, ...]:
    """The words that start kubectl's plug-in of a checkout, which need not be installed."""
    entry = "import sys; from kaito.cli.plugin import main; sys.exit(main())"
    return ("env", f"PYTHONPATH={repo}", sys.executable, "-c", entry)


def install(commands: Commands, folder: Path) -> None:
    """Give every program its own name in `folder`, as a script of one line."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, words in commands.items():
        script = folder / part
        script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        script.chmod(0o755)


def _programs_in(folder: Path) -> dict[str, tuple[str, ...]]:
    files = {part: folder / part for part in PARTS}
    return {part: (str(file),) for part, file in files.items() if os.access(file, os.X_OK)}


def _one_program(path: Path) -> Commands:
    return {part: (str(path), part) for part in PARTS}


def _own_kubectl() -> str | None:
    own = shutil.which("kubectl")
    if own is None:
        return None
    done = subprocess.run(
        [own, "version", "--client"], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    return own if done.returncode == 0 else None


@contextmanager
def only_one(folder: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Keep a second process from building the same thing at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process is building here: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _advice(failures: list[str], version: str) -> str:
    reasons = "\n".join(f"  - {failure}" for failure in failures)
    return (
        f"the control plane (Kubernetes {version}) can be had in no way here:\n{reasons}\n"
        "Any one of these helps:\n"
        f"  - KUBEBUILDER_ASSETS=FOLDER that holds {', '.join(PARTS[:-1])};\n"
        "  - a machine that reaches the official releases of Kubernetes and etcd;\n"
        "  - Go 1.26 or newer on PATH, or pip, and a Go module proxy (GOPROXY);\n"
        "  - a cache folder (KAITO_CACHE) from a machine where it worked."
    )
