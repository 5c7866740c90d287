"""Environments from locks, made for real from wheels that the test writes, without a download."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from hack.environments import NotInstalled, Sources, ensure, requirements

pytestmark = pytest.mark.timeout(300)


def wheel(folder: Path, name: str, version: str, says: str = "") -> str:
    """Write a wheel with one module that says something; returns its line in a lock."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"says = {says!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-tool = {name}:says.lower\n",
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in {**files, f"{info}/RECORD": record(info, files)}.items():
            archive.writestr(place, text)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n"


def record(info: str, files: Mapping[str, str]) -> str:
    """The list of a wheel's files, with hashes."""
    rows = [f"{place},sha256={hashed(text)},{len(text)}\n" for place, text in files.items()]
    return "".join(rows) + f"{info}/RECORD,,\n"


def hashed(text: str) -> str:
    """The hash as a wheel's record has it."""
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def answer(environment: Path, code: str) -> str:
    """What the environment's interpreter prints."""
    command = [str(environment / "bin" / "python"), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """An empty folder for lock files."""
    folder = tmp_path / "locks"
    folder.mkdir()
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """An empty folder for wheels."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def offline(wheels: Path) -> Sources:
    """Nothing but the folder of wheels."""
    return Sources(wheels=str(wheels), offline=True)


def test_an_environment_is_kept_until_its_lock_changes(
    tmp_path: Path, locks: Path, wheels: Path, offline: Sources
) -> None:
    cache = tmp_path / "cache"
    (locks / "tools.txt").write_text(wheel(wheels, "apple", "1", "red"))
    ensure("tools", cache, offline, locks=locks)
    made = (cache / "tools").stat().st_ino

    ensure("tools", cache, offline, locks=locks)

    assert (cache / "tools").stat().st_ino == made
    (locks / "tools.txt").write_text(wheel(wheels, "apple", "2", "green"))
    ensure("tools", cache, offline, locks=locks)
    assert answer(cache / "tools", "import apple; print(apple.says)") == "green"
    assert sorted(path.name for path in cache.iterdir()) == [".install.lock", "tools"]
    script = (cache / "tools" / "bin" / "apple-tool").read_text()
    assert script.splitlines()[0] == f"#!{cache}/tools/bin/python"


def test_a_package_with_another_hash_is_refused_and_the_old_environment_stays(
    tmp_path: Path, locks: Path, wheels: Path, offline: Sources
) -> None:
    old = tmp_path / "cache" / "tools" / "old"
    old.mkdir(parents=True)
    (locks / "tools.txt").write_text(wheel(wheels, "apple", "2", "green"))
    wheel(wheels, "apple", "2", "poisoned")

    with pytest.raises(NotInstalled, match="KAITO_WHEELS"):
        ensure("tools", tmp_path / "cache", offline, locks=locks)

    assert old.exists()


def test_torch_comes_from_the_folder_of_wheels_and_leaves_cuda_out(
    tmp_path: Path, locks: Path, wheels: Path, offline: Sources
) -> None:
    apple = wheel(wheels, "apple", "1", "red")
    wheel(wheels, "torch", "2.9", "for the CPU")
    unlike = f" \\\n    --hash=sha256:{'0' * 64}\n"
    (locks / "models.txt").write_text(
        f"# a comment\n{apple}nvidia-cublas==13{unlike}torch==2.9{unlike}triton==3{unlike}"
    )

    ensure("models", tmp_path / "cache", offline, locks=locks)

    said = answer(tmp_path / "cache" / "models", "import torch, apple; print(torch.says)")
    assert said == "for the CPU"


def test_an_unknown_environment_is_answered_with_the_known_ones(
    tmp_path: Path, locks: Path
) -> None:
    (locks / "tools.txt").touch()

    with pytest.raises(NotInstalled, match="there are: tools"):
        ensure("tool", tmp_path, Sources(), locks=locks)


def test_a_lock_is_read_package_by_package() -> None:
    lock = (
        "# head\n#    hack/lock\na==1 \\\n    --hash=x\nb-c==2 ; os \\\n    --hash=y\n    # via a\n"
    )

    assert dict(requirements(lock)) == {
        "a": "a==1 \\\n    --hash=x\n",
        "b-c": "b-c==2 ; os \\\n    --hash=y\n    # via a\n",
    }


@pytest.mark.parametrize(
    ("variables", "options", "torch"),
    [
        ({}, (), ()),
        ({"KAITO_OFFLINE": "1"}, ("--no-index",), ()),
        ({"KAITO_TORCH_INDEX": "there"}, (), ("--index-url", "there")),
        ({"KAITO_TORCH_INDEX": "there", "KAITO_OFFLINE": "1"}, ("--no-index",), ()),
    ],
    ids=["nothing set", "offline", "an index for torch", "an index while offline"],
)
def test_sources_are_what_the_environment_names(
    variables: dict[str, str], options: tuple[str, ...], torch: tuple[str, ...]
) -> None:
    sources = Sources.read(variables)

    assert (sources.options, sources.torch) == (options, torch)
