"""The page of exit codes, against the programs themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.delivery import exits

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?:`([^`]+)`)? ?\| (\d+) \| (.+) \|$", re.MULTILINE)
ARGPARSE = {0, 2}
"""After `--help`, and for words that nobody knows."""
CONTROLLER = ("kaito/kube/manager.py", "kaito/kube/watchdog.py", "kaito/kube/flags.py")
SOURCES = {
    "python -m kaito": ("kaito/__main__.py", *CONTROLLER),
    "python -m provisioner": ("provisioner/__main__.py", "provisioner/app.py", *CONTROLLER),
    "presets/inference/server.py": (
        "presets/inference/server.py",
        "presets/inference/serving/program.py",
    ),
    "presets/inference/vllm_server.py": ("presets/inference/vllm_server.py",),
    "presets/inference/group.py": ("presets/inference/group.py",),
    "presets/tuning/trainer.py": (
        "presets/tuning/trainer.py",
        "presets/tuning/training/program.py",
    ),
    "presets/tuning/check.py": ("presets/tuning/check.py",),
    "presets/artifacts/artifacts.py": (
        "presets/artifacts/artifacts.py",
        "presets/artifacts/oci/program.py",
    ),
}
"""Where the code of each program's end is decided."""
NAMED = {
    "presets/inference/group.py": {75},
    "presets/tuning/trainer.py": {0, 1, 143},
    "presets/artifacts/artifacts.py": {0, 1},
    "presets/inference/server.py": {0, 1},
}
"""Codes that have names in a program, and are handed on before they end it."""
PARSED = set(SOURCES) - {"presets/tuning/check.py"}
"""Programs whose words argparse reads."""
BY_HAND = {"presets/tuning/parameters.py"}
"""Run by developers, as what is under hack/."""


def page() -> dict[str, set[int]]:
    """The codes of each program, as the page has them."""
    found: dict[str, set[int]] = {}
    program = ""
    for name, code, _ in ROW.findall((ROOT / "docs/reference/exits.md").read_text()):
        program = name or program
        found.setdefault(program, set()).add(int(code))
    return found


def shell_scripts() -> list[Path]:
    """Programs in the shell's language under hack/."""
    files = (path for path in (ROOT / "hack").iterdir() if path.is_file() and not path.suffix)
    return [path for path in files if path.read_text().startswith("#!")]


@pytest.mark.parametrize("program", SOURCES)
def test_a_program_ends_with_the_codes_of_its_rows(program: str) -> None:
    files = [ROOT / name for name in SOURCES[program]]
    found = set().union(*(exits.codes(file) for file in files))
    named = set().union(*(exits.constants(file) for file in files))

    assert NAMED.get(program, set()) <= named
    assert page()[program] == (
        found | NAMED.get(program, set()) | (ARGPARSE if program in PARSED else {0})
    )


def test_the_plug_in_ends_with_the_codes_that_have_names() -> None:
    assert page()["kubectl-kaito"] == exits.constants(ROOT / "kaito/cli/reply.py")


def test_what_is_under_hack_ends_with_the_codes_of_its_row() -> None:
    scripts = shell_scripts()
    programs = [path for path in (ROOT / "hack").rglob("*.py") if is_program(path)]
    found = set().union(*(exits.codes(path) for path in (*scripts, *programs)))

    assert len(scripts) > 10
    assert page()["hack/"] == found


def is_program(file: Path) -> bool:
    """Whether a file can be run."""
    return '__name__ == "__main__"' in file.read_text()


def test_every_program_has_its_rows() -> None:
    folders = (ROOT / "kaito", ROOT / "provisioner", ROOT / "presets")
    programs = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in folder.rglob("*.py")
        if is_program(path)
    }
    ours = {name for names in SOURCES.values() for name in names}

    assert programs - ours - BY_HAND == set()
    assert set(page()) == {*SOURCES, "kubectl-kaito", "hack/"}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["-m", "kaito", "--no-such-flag"], 2),
        (["-m", "kaito", "--presets-dir", "nowhere"], 1),
        (["-m", "provisioner", "--no-such-flag"], 2),
        (["presets/tuning/check.py"], 2),
        (["presets/artifacts/artifacts.py", "carry"], 2),
        (["presets/inference/group.py"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_program_that_cannot_begin_ends_with_its_code(words: list[str], code: int) -> None:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=False)

    assert done.returncode == code
