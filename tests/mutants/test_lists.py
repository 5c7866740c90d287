"""Each seeded bug is caught: by a test, or by a run in virtual time, that says what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.mutation import AT_LEAST, LISTS, ROOT, Mutation

UNIT = {
    "provisioner": Path("tests/unit/provisioner"),
    "workspace": Path("tests/unit/controllers/workspace"),
}
"""Where a list's tests are."""
CHANGED = ("kaito", "provisioner", "tests/unit", "tests/virtual")
LINKED = ("hack", "presets", "manifests", "pyproject.toml")
LIMIT_SECONDS = 600

pytestmark = pytest.mark.timeout(LIMIT_SECONDS + 20)


BUGS = [
    pytest.param(name, mutation, id=f"{name}-{mutation.bug}")
    for name, mutations in LISTS.items()
    for mutation in mutations
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what is changed, and of what finds it out; the rest is linked."""
    for name in CHANGED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests" / "__init__.py", tmp_path / "tests")
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def searched(
    tree: Path, name: str, tests: tuple[str, ...], plans: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    """The tests, or else the runs, in that tree, up to the first that fails."""
    pytest_ = ("pytest", "-q", "-x", "-p", "no:cacheprovider", f"--rootdir={tree}")
    words = (
        (*pytest_, *(str(UNIT[name] / each) for each in tests))
        if tests
        else ("tests.virtual.replay", *plans)
    )
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("name", LISTS)
def test_the_tree_passes_without_a_bug(name: str, tree: Path) -> None:
    tests = dict.fromkeys(each for mutation in LISTS[name] for each in mutation.tests)
    plans = dict.fromkeys(each for mutation in LISTS[name] for each in mutation.plans)

    ended = searched(tree, name, tuple(tests), tuple(plans))

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(("name", "least"), AT_LEAST.items())
def test_there_are_enough_different_bugs(name: str, least: int) -> None:
    assert len({(each.file, each.old) for each in LISTS[name]}) >= least


@pytest.mark.parametrize(("name", "mutation"), BUGS)
def test_a_seeded_bug_is_caught(name: str, mutation: Mutation, tree: Path) -> None:
    path = tree / mutation.file
    text = path.read_text()
    assert text.count(mutation.old) == 1, "the list is older than the code"
    path.write_text(text.replace(mutation.old, mutation.new))

    ended = searched(tree, name, mutation.tests, mutation.plans)

    # 1 is a test that failed, or a run that went wrong; anything else is a tree that does not run.
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert " failed" in ended.stdout or not ended.stderr, ended.stdout + ended.stderr
    assert mutation.tests or not ended.stderr, ended.stderr
    sys.stdout.write(ended.stdout if mutation.plans else "")
