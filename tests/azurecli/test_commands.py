"""The guides' lines for Azure, typed in order: the Azure CLI reads each, and nobody is signed in.

It reads commands, options and queries before it asks who is there. So a line that it understands
ends with the advice to sign in, and any other with what it did not understand.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from hack.cluster.cache import cache_folder
from tests.delivery.pages import blocks

pytestmark = pytest.mark.timeout(600)

INSTALL, UNINSTALL = "docs/guides/aks.md", "docs/guides/uninstall.md"
EXPORT = re.compile(r"^export (?:.*\\\n)*.*\n", re.MULTILINE)
UNDERSTOOD = "Please run 'az login' to setup account."
AZ = """\
#!/usr/bin/env bash
alone=(bwrap --dev-bind / / --unshare-net)
said=$("${{alone[@]}}" "{python}" -m azure.cli "$@" 2>&1 >/dev/null | tr '\\n' ' ')
printf '%s\\t%s\\n' "az $*" "$said" >> "{heard}"
echo a-value
"""
"""In the CLI's place: has the real one read the words, where no network is, and says something."""


def heard(folder: Path, text: str) -> list[tuple[str, str]]:
    """Type lines into one shell; each call of the CLI, and its complaint."""
    calls = folder / "calls"
    calls.touch()
    programs = folder / "bin"
    programs.mkdir()
    python = cache_folder() / "azurecli" / "bin" / "python"
    for name, script in {
        "az": AZ.format(python=python, heard=calls),
        "buildah": "#!/bin/sh\ncat >/dev/null\n",
    }.items():
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)

    done = subprocess.run(
        ["bash", "-euc", text],
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            # Nobody has ever signed in there, and the key of a cluster's nodes is left there.
            "HOME": str(folder),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(call, said) for call, _, said in map(_parted, calls.read_text().splitlines())]


def _parted(line: str) -> tuple[str, str, str]:
    """A line of the log, at its tabulator."""
    return line.partition("\t")


def lines(page: str) -> str:
    """What a page has for Azure; a name is filled in."""
    typed = [each.text for each in blocks() if each.page == page and "az " in each.text]
    return "".join(typed).replace("NAME_HERE", "kaitomodels")


@pytest.mark.parametrize(
    ("azure", "least"),
    [(lines(INSTALL), 15), ("".join([*EXPORT.findall(lines(INSTALL)), lines(UNINSTALL)]), 12)],
    ids=["installation", "its end, in a shell of its own"],
)
def test_the_azure_cli_understands_every_line_of_the_guides(
    tmp_path: Path, azure: str, least: int
) -> None:
    calls = heard(tmp_path, azure)

    assert len(calls) == azure.count("az ") > least
    assert [call for call in calls if UNDERSTOOD not in call[1]] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("az account show --tenant", "unrecognized arguments"),
        ("az acr create --name kaito", "are required"),
        ("az group list --query '[?name'", "invalid jmespath"),
    ],
    ids=["option", "missing", "query"],
)
def test_a_line_that_is_wrong_is_told_from_one_that_is_right(
    tmp_path: Path, line: str, said: str
) -> None:
    ((_, answer),) = heard(tmp_path, line)

    assert UNDERSTOOD not in answer
    assert said in answer, answer
