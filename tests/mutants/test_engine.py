"""Each seeded bug of the engine is found by runs in virtual time, from the API's history."""

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
LIMIT_SECONDS = 300
CHANGED = ("kaito", "provisioner", "tests/virtual")
LINKED = ("hack", "presets", "pyproject.toml")


class Mutation(BaseModel):
    """A bug: one text in one file that another takes the place of, and the runs that find it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bug: str
    file: str
    old: str
    new: str
    plans: tuple[str, ...]


MUTATIONS = tuple(
    Mutation.model_validate(row)
    for row in yaml.safe_load(Path(__file__).with_name("engine.yaml").read_text())
)

pytestmark = pytest.mark.timeout(LIMIT_SECONDS + 20)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what is changed, and of what finds it out; the rest is linked."""
    for name in CHANGED:
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "tests" / "__init__.py", tmp_path / "tests")
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def played(tree: Path, plans: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Those runs, in that tree, up to the first that goes wrong."""
    return subprocess.run(
        [sys.executable, "-m", "tests.virtual.replay", *plans],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def test_all_those_runs_go_well_without_a_bug(tree: Path) -> None:
    named = dict.fromkeys(plan for mutation in MUTATIONS for plan in mutation.plans)

    ended = played(tree, tuple(named))

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_there_are_at_least_twelve_different_bugs() -> None:
    assert len({(each.file, each.old) for each in MUTATIONS}) >= 12


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.bug)
def test_a_seeded_bug_is_found(mutation: Mutation, tree: Path) -> None:
    path = tree / mutation.file
    text = path.read_text()
    assert text.count(mutation.old) == 1, "the list is older than the code"
    path.write_text(text.replace(mutation.old, mutation.new))

    ended = played(tree, mutation.plans)

    # 1 without a traceback is a run that went wrong; anything else is a tree that does not run.
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stderr == "", ended.stderr
    sys.stdout.write(ended.stdout)
