"""Each seeded bug of the provisioner is caught by a test that says what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

ROOT = Path(__file__).parents[2]
UNIT = Path("tests/unit/provisioner")
LIMIT_SECONDS = 100


class Mutation(BaseModel):
    """A bug: one text in one file that another takes the place of, and who is to notice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bug: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = tuple(
    Mutation.model_validate(row)
    for row in yaml.safe_load(Path(__file__).with_name("provisioner.yaml").read_text())
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what is changed; the rest is linked."""
    shutil.copytree(ROOT / "provisioner", tmp_path / "provisioner")
    shutil.copytree(ROOT / "tests" / "unit", tmp_path / "tests" / "unit")
    shutil.copy(ROOT / "tests" / "__init__.py", tmp_path / "tests")
    for name in ("kaito", "hack", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def run(tree: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Those tests, in that tree, up to the first failure."""
    command = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")
    return subprocess.run(
        [*command, f"--rootdir={tree}", *(str(UNIT / each) for each in tests)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.timeout(LIMIT_SECONDS)
def test_the_tree_passes_without_a_bug(tree: Path) -> None:
    named = sorted({each for mutation in MUTATIONS for each in mutation.tests})

    ended = run(tree, tuple(named))

    assert ended.returncode == 0, ended.stdout


def test_there_are_at_least_ten_different_bugs() -> None:
    assert len({(each.file, each.old) for each in MUTATIONS}) >= 10


@pytest.mark.timeout(LIMIT_SECONDS)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.bug)
def test_a_seeded_bug_is_caught(mutation: Mutation, tree: Path) -> None:
    path = tree / mutation.file
    text = path.read_text()
    assert text.count(mutation.old) == 1, "the list is older than the code"
    path.write_text(text.replace(mutation.old, mutation.new))

    ended = run(tree, mutation.tests)

    # 1 is a test that failed; anything else is a tree that does not even import.
    assert ended.returncode == 1, ended.stdout
    assert " failed" in ended.stdout, ended.stdout
