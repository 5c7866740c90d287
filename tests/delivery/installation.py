"""The package as a reader has it: installed by the guide's own line."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

from hack.cluster.cache import cache_folder
from tests.delivery.pages import ROOT, block

PAGE, BEGINS = "docs/guides/first-model.md", "pip install"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "kaito", "provisioner", "presets")
OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    # As pip has it: what is false is that the build is isolated.
    "PIP_NO_BUILD_ISOLATION": "false",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
"""What makes pip do with what is on this machine."""


def installed(folder: Path) -> Path:
    """The package, from a wheel that is built of this checkout.

    Returns:
        The folder of programs, for PATH.
    """
    programs = _environment(folder / "environment")
    done = subprocess.run(
        ["bash", "-euc", block(PAGE, BEGINS).text],
        cwd=_checkout(folder / "checkout"),
        env={**OFFLINE, "PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return programs


def _checkout(folder: Path) -> Path:
    """A copy of what is packed: building writes beside its sources."""
    folder.mkdir()
    for name in SOURCES:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def _environment(folder: Path) -> Path:
    """An environment that has the packages which ours needs, and what builds a wheel of it.

    Returns:
        Its folder of programs.
    """
    venv.create(folder, with_pip=True)
    version = f"python{sysconfig.get_python_version()}"
    packages = folder / "lib" / version / "site-packages"
    for old in packages.glob("setuptools*"):
        shutil.rmtree(old)
    builder = cache_folder() / "inference" / "lib" / version / "site-packages"
    for name in builder.glob("setuptools*"):
        (packages / name.name).symlink_to(name)
    (packages / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin"
