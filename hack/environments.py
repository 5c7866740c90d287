"""The environments in the cache, made from the lock files and kept until a lock changes.

`python3 -m hack.environments dev inference`. It runs on the machine's own Python, with the standard
library only, because nothing else is installed yet. uv does the work where it is there or can be
had; pip does it otherwise.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.cache import cache_folder

LOCKS = Path(__file__).parent / "locks"
STAMP = "lock.sha256"
"""File in an environment: the hash of the lock that it was made from; written last."""

CUDA = re.compile(r"(torch|triton|nvidia|cuda)\b")
"""What a CPU build of torch comes without, and torch itself."""


class NotInstalled(Exception):
    """An environment cannot be made; the message says why and what helps."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where packages come from, besides the index that pip and uv are set up with.

    Attributes:
        wheels: `KAITO_WHEELS`, a folder of wheels that is looked into as well, "" for none.
        torch_index: `KAITO_TORCH_INDEX`, an index that has CPU builds of torch, "" for none.
        offline: `KAITO_OFFLINE`, whether nothing may be downloaded.
    """

    wheels: str = ""
    torch_index: str = ""
    offline: bool = False

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Sources:
        """The sources that the environment names."""
        return cls(
            wheels=environment.get("KAITO_WHEELS", ""),
            torch_index=environment.get("KAITO_TORCH_INDEX", ""),
            offline=bool(environment.get("KAITO_OFFLINE")),
        )

    @property
    def options(self) -> tuple[str, ...]:
        """Options that pip and uv share."""
        found = ("--find-links", self.wheels) if self.wheels else ()
        return (*found, "--no-index") if self.offline else found

    @property
    def torch(self) -> tuple[str, ...]:
        """Options for a torch that is not the lock's; empty: the lock's own is taken.

        Such a build has no hash in the lock: whoever names the folder or the index vouches for it.
        """
        if self.wheels and any(Path(self.wheels).glob("torch-*.whl")):
            return ("--no-index", "--find-links", self.wheels)
        return ("--index-url", self.torch_index) if self.torch_index and not self.offline else ()


def requirements(lock: str) -> Iterator[tuple[str, str]]:
    """Each package of a lock file as (its name, its lines with hashes)."""
    for block in re.split(r"\n(?=[a-z0-9])", lock):
        if found := re.match(r"[a-z0-9][a-z0-9.-]*", block):
            yield found.group(), block.rstrip() + "\n"


def ensure(name: str, cache: Path, sources: Sources, *, locks: Path = LOCKS) -> None:
    """Have the environment `name` in the cache, as its lock in the folder `locks` says.

    Raises:
        NotInstalled: there is no such lock, or its packages cannot be had.
    """
    lock = locks / f"{name}.txt"
    if not lock.exists():
        known = ", ".join(sorted(path.stem for path in locks.glob("*.txt")))
        raise NotInstalled(f"no environment is called {name!r}; there are: {known}")
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder = cache / name
    if _is_current(folder, wanted):
        return
    with _only_one(cache):
        if _is_current(folder, wanted):
            return
        started = time.monotonic()
        print(f"installing the {name} environment into {folder}", flush=True)
        uv = _uv(cache, sources, locks / "uv.txt") if name != "uv" else None
        _replace(folder, lock, sources, uv)
        (folder / STAMP).write_text(wanted)
        print(f"{name}: installed in {time.monotonic() - started:.0f} s", flush=True)


def _is_current(folder: Path, wanted: str) -> bool:
    stamp = folder / STAMP
    return (folder / "bin/python").exists() and stamp.exists() and stamp.read_text() == wanted


@contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    """Keep two installations apart."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".install.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another process is installing: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv(cache: Path, sources: Sources, lock: Path) -> str | None:
    """The uv of this machine, else one in the cache; None where none can be had."""
    if own := shutil.which("uv"):
        return own
    if not lock.exists():
        return None
    folder = cache / "uv"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not _is_current(folder, wanted):
        try:
            _replace(folder, lock, sources, None)
        except NotInstalled as failure:
            print(f"no uv, so pip does it: {failure}", flush=True)
            return None
        (folder / STAMP).write_text(wanted)
    return str(folder / "bin/uv")


def _replace(folder: Path, lock: Path, sources: Sources, uv: str | None) -> None:
    """Make the environment beside its place, then put it there in one step."""
    new = folder.with_name(f".{folder.name}.new")
    old = folder.with_name(f".{folder.name}.old")
    for left_over in (new, old):
        shutil.rmtree(left_over, ignore_errors=True)
    venv = [sys.executable, "-m", "venv", "--prompt", folder.name, str(new)]
    _run(venv, "python3 has no venv: install python3-venv")
    _fill(new, lock, sources, uv)
    for text in (new / "pyvenv.cfg", *(new / "bin").iterdir()):
        _move(text, str(new), str(folder))
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _move(text: Path, here: str, there: str) -> None:
    """Scripts name their interpreter by its path, which is about to change."""
    content = text.read_bytes() if text.is_file() and not text.is_symlink() else b""
    if here.encode() in content and not content.startswith(b"\x7fELF"):
        text.write_bytes(content.replace(here.encode(), there.encode()))


def _fill(folder: Path, lock: Path, sources: Sources, uv: str | None) -> None:
    """Install what the lock says, with hashes, and torch from its own source where one is named."""
    packages = dict(requirements(lock.read_text()))
    wanted = lock
    installers = [_uv_command(uv, folder)] if uv else []
    installers.append([str(folder / "bin/python"), "-m", "pip", "install", "--no-input"])
    if "torch" in packages and sources.torch:
        version = packages["torch"].split()[0]
        _install(installers, [*sources.torch, "--no-deps", version])
        wanted = folder / "requirements.txt"
        wanted.write_text("".join(text for name, text in packages.items() if not CUDA.match(name)))
    hashed = ["--require-hashes", "--no-deps", "-r", str(wanted)]
    _install(installers, [*sources.options, *hashed])


def _uv_command(uv: str, folder: Path) -> list[str]:
    python = str(folder / "bin/python")
    # Containers see the environment read-only: what is not compiled here never will be.
    return [uv, "pip", "install", "--compile-bytecode", "--python", python]


def _install(installers: Sequence[Sequence[str]], arguments: Sequence[str]) -> None:
    """Run the first installer that succeeds."""
    for installer in installers[:-1]:
        done = subprocess.run([*installer, *arguments], env=_environment(), check=False)
        if done.returncode == 0:
            return
        print(f"{installer[0]} failed: pip tries it", flush=True)
    _run(
        [*installers[-1], *arguments],
        "packages could not be installed (above). Any one of these helps: a machine that reaches a"
        " package index (PIP_INDEX_URL), a folder of wheels (KAITO_WHEELS),"
        " a cache folder from a machine where it worked (KAITO_CACHE)",
    )


def _run(command: Sequence[str], remedy: str) -> None:
    if subprocess.run(command, env=_environment(), check=False).returncode != 0:
        raise NotInstalled(remedy)


def _environment() -> dict[str, str]:
    """Our own environment, in which uv uses the index and the certificates that pip is given."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment.pop("PYTHONPATH", None)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.setdefault("UV_CACHE_DIR", str(cache_folder() / "packages"))
    for pip, uv in (
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_CERT", "SSL_CERT_FILE"),
    ):
        if pip in environment:
            environment.setdefault(uv, environment[pip])
    return environment


def main() -> int:
    """Install the environments that are named; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m hack.environments", description=__doc__)
    parser.add_argument(
        "names", nargs="+", help="dev, inference, controller, bench, clients, vllm or uv"
    )
    try:
        for name in parser.parse_args().names:
            ensure(name, cache_folder(), Sources.read(os.environ))
    except NotInstalled as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
