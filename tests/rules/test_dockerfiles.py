"""What goes into an image: packages of the lock files by hash, our files, a base to choose."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.tree import ROOT

FILES = (ROOT / "Dockerfile", *sorted(ROOT.glob("presets/**/*Dockerfile")))
LOCKS = "hack/locks/"
FETCHERS = {"apt", "apt-get", "apk", "conda", "curl", "dnf", "git", "npm", "uv", "wget", "yum"}
MUST = {"--require-hashes", "--no-deps"}


def steps(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Each instruction of a Dockerfile and its words."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, *words = shlex.split(line)
            yield name, words


def installed(file: Path) -> Iterator[list[str]]:
    """The words of each call of an installer of packages."""
    for name, words in steps(file):
        if name == "RUN":
            for command in re.split(r" (?:&&|;|\|\|) ", " ".join(words)):
                if "pip install" in command:
                    yield command.split()


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(ROOT)))
def dockerfile(request: pytest.FixtureRequest) -> Path:
    """One of them."""
    return Path(request.param)


def test_there_is_one_for_each_image() -> None:
    assert len(FILES) == 4


def test_packages_come_from_a_lock_file_by_hash(dockerfile: Path) -> None:
    copied = [words for name, words in steps(dockerfile) if name == "COPY"]
    locks = {to for source, *_, to in copied if source.startswith(LOCKS)}
    calls = list(installed(dockerfile))

    assert [call for call in calls if not set(call) >= MUST] == []
    # Nothing is named beside the lock: the last word is the file.
    assert [call for call in calls if call[-2] != "-r"] == []
    assert {call[-1] for call in calls} == locks
    assert bool(calls) == (dockerfile.name != "vllm.Dockerfile")


def test_nothing_else_is_fetched(dockerfile: Path) -> None:
    run = {word for name, words in steps(dockerfile) if name == "RUN" for word in words}

    assert run & FETCHERS == set()
    assert [words for name, words in steps(dockerfile) if name == "ADD"] == []


def test_what_it_stands_on_can_be_named_by_digest(dockerfile: Path) -> None:
    arguments = {words[0].partition("=")[0] for name, words in steps(dockerfile) if name == "ARG"}
    stages = [words for name, words in steps(dockerfile) if name == "FROM"]
    bases = {next(word for word in words if not word.startswith("--")) for words in stages}

    assert stages
    assert {each.removeprefix("$") for each in bases} <= arguments
    assert all(each.startswith("$") for each in bases)
