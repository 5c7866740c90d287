"""The lock files of the images: every package has a wheel for both architectures."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hack.cluster.cache import cache_folder
from hack.images.architectures import ARCHITECTURES, NEWEST_GLIBC, Architecture
from hack.images.wheels import PYTHON

LOCKS = Path(__file__).parents[2] / "hack" / "locks"


def tried(lock: Path, architecture: Architecture, folder: Path) -> subprocess.CompletedProcess[str]:
    """What uv says to an installation from wheels alone, which ends before it downloads them."""
    uv = shutil.which("uv") or str(cache_folder() / "uv" / "bin" / "uv")
    platform = f"{architecture.machine}-manylinux_2_{NEWEST_GLIBC}"
    return subprocess.run(
        [
            *(uv, "pip", "install", "--dry-run", "--no-cache", "--no-deps", "--require-hashes"),
            *("--only-binary", ":all:", "--python-version", PYTHON, "--python-platform", platform),
            *("--target", str(folder), "--requirements", str(lock)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
@pytest.mark.parametrize("lock", ["controller", "artifacts", "inference"])
def test_every_package_has_a_wheel(tmp_path: Path, lock: str, architecture: Architecture) -> None:
    done = tried(LOCKS / f"{lock}.txt", architecture, tmp_path)

    assert done.returncode == 0, done.stderr
    assert "Would install" in done.stderr
