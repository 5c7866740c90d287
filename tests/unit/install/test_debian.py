"""Programs of Debian's packages, in the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack import debian
from hack.cluster.failures import Unobtainable

ROOT = Path(__file__).parents[3]
APT = """#!/bin/sh
echo "$@" >> "$LOG"
"""
DPKG = """#!/bin/sh
for last; do :; done
/bin/mkdir -p "$last/usr/bin"
for name in one two three; do
  echo "$name" > "$last/usr/bin/$name"
  /bin/chmod +x "$last/usr/bin/$name"
done
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of PATH: apt-get and dpkg-deb are in it, and write down what they do."""
    folder = tmp_path / "path"
    folder.mkdir()
    for name, script in (("apt-get", APT), ("dpkg-deb", DPKG)):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return folder


def test_a_package_is_unpacked_once_and_never_installed(path: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    for _ in range(2):
        debian.ensure("numbers", ("one", "two"), cache, report=print)

    assert sorted(each.name for each in (cache / "bin").iterdir()) == ["one", "two"]
    assert debian.found("one", cache) == cache / "bin" / "one"
    assert (tmp_path / "log").read_text() == "download -qq numbers\n"


def test_the_machines_own_program_goes_first(path: Path, tmp_path: Path) -> None:
    debian.ensure("numbers", ("one",), tmp_path, report=print)
    own = path / "one"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)

    assert debian.found("one", tmp_path) == own


def test_without_debians_tools_it_is_said_which_is_missing(path: Path, tmp_path: Path) -> None:
    (path / "apt-get").unlink()

    with pytest.raises(Unobtainable, match="apt-get is not there"):
        debian.ensure("numbers", ("one",), tmp_path, report=print)


def test_offline_nothing_is_downloaded(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hack.debian", "numbers", "one"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "KAITO_OFFLINE": "1", "KAITO_CACHE": str(tmp_path / "cache")},
        text=True,
    )

    assert done.returncode == 1
    assert "missing on this machine: one: KAITO_OFFLINE is set" in done.stderr
    assert not (tmp_path / "log").exists()
