"""From a clone to an answer, and back: the README's lines and those of the first page, in order.

Everything is downloaded and built anew: system packages, environments, the control plane. It is one
day, in the order of this file: the first test leaves what the others find in the cache, Python too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.bystander import WORKSPACE
from tests.cold.newcomer import Newcomer
from tests.delivery.installation import BEGINS, PAGE
from tests.delivery.pages import block, blocks

pytestmark = pytest.mark.timeout(5400)

UP, SHELL, DOWN = "hack/local up", "hack/local shell", "hack/local down"
ENDED = "every process has stopped"


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """Who has just cloned the repository; nothing of theirs is left afterwards."""
    found = Newcomer(tmp_path_factory.mktemp("newcomer"))
    found.arrive()
    yield found
    found.type(DOWN)
    shutil.rmtree(found.folder)


def test_the_first_of_two_commands_shows_an_answer_and_leaves_nothing(newcomer: Newcomer) -> None:
    command = block("README.md", "hack/demo").text.splitlines()[0]

    said = newcomer.type(f"{command}\necho code $?\n")

    assert said.endswith("code 0\n"), said
    assert '"Result"' in said
    assert ENDED in said


def test_the_readme_s_cluster_comes_up_and_goes(newcomer: Newcomer) -> None:
    # Nobody is there to end a watch.
    typed = block("README.md", UP).text.replace(" --watch", "")

    said = newcomer.type(typed)

    assert f"workspace.kaito.sh/{WORKSPACE} created" in said, said
    assert f"Workspace default/{WORKSPACE}" in said, said
    assert list((newcomer.cache / "clusters").iterdir()) == []


def test_the_first_page_leads_to_an_answer(newcomer: Newcomer) -> None:
    installing = f"python3 -m venv {newcomer.folder}/environment\n{block(PAGE, BEGINS).text}"
    page = "".join(each.text for each in blocks() if each.page == PAGE and BEGINS not in each.text)

    installed = newcomer.type(f"{installing}\ncommand -v kubectl-kaito\n")
    said = newcomer.type(f"{UP}\n{SHELL}\n{page}\nexit\n{DOWN}\n")

    assert installed.endswith("environment/bin/kubectl-kaito\n"), installed
    steps = (
        f"workspace.kaito.sh/{WORKSPACE} created",
        f"Workspace default/{WORKSPACE}",
        f"workspace.kaito.sh/{WORKSPACE} condition met",
        "80/TCP,29500/TCP",
        f'workspace.kaito.sh "{WORKSPACE}" deleted',
        "Standard_",
    )
    left = said
    for step in steps:
        # What the model answers is drawn, and so no two times the same.
        assert step in left, f"{step}: {said}"
        left = left.partition(step)[2]
    assert "rror" not in said, said


def test_everything_is_kept_in_the_one_folder(newcomer: Newcomer) -> None:
    home = newcomer.system / "root"
    left = {str(path.relative_to(home)) for path in home.iterdir()}

    # The system's own; Go counts its runs there, pip and kubectl keep what they have fetched.
    assert left <= {".bashrc", ".profile", ".config", ".kube", ".cache"}
    assert {path.name for path in (home / ".cache").glob("*")} <= {"pip"}
