"""The commands of the documentation: blocks of its pages, and how the local cluster runs them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import Layout
from hack.cluster.registry.server import ACCOUNT, address
from tests.bystander import Finished, run

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/guides/*.md",
    "docs/reference/*.md",
    "manifests/argocd/README.md",
    "presets/README.md",
    "presets/*/README.md",
)
UNNAMED = {"guides", "presets"}
"""Folders whose blocks without a language are commands."""
LANGUAGES = ("sh", "bash", "shell", "azurecli", "console")
PROMPT = "$ "
"""What a command begins with where its answer follows, as in a block of `console`."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Commands of a page.

    Attributes:
        page: its path below the root.
        text: the lines.
    """

    page: str
    text: str

    @property
    def program(self) -> str:
        """The first command that it runs."""
        text = self.text.replace("\\\n", " ")
        text = re.sub(r"^export .*\n", "", text, flags=re.MULTILINE)
        words: list[str] = re.sub(r"^(\w+=\S+ )+", "", text).split()
        return words[0] if words else ""


def blocks() -> Iterator[Block]:
    """Every block of commands, page after page."""
    for path in sorted(path for each in PAGES for path in ROOT.glob(each)):
        page = path.relative_to(ROOT)
        for language, text in BLOCK.findall(path.read_text()):
            if language in LANGUAGES or (not language and UNNAMED & set(page.parts)):
                yield Block(str(page), text if language != "console" else _typed(text))


def _typed(text: str) -> str:
    """The commands alone, of those that are shown with their answers."""
    lines = text.splitlines(keepends=True)
    return "".join(each.removeprefix(PROMPT) for each in lines if each.startswith(PROMPT))


def block(page: str, begins: str) -> Block:
    """The one block of a page that begins so."""
    found = [each for each in blocks() if each.page == page and each.text.startswith(begins)]
    assert len(found) == 1, f"{page} has {len(found)} blocks that begin with {begins!r}"
    return found[0]


def sample(page: str, kind: str) -> str:
    """The first object of a kind, in YAML, that a page shows whole."""
    found = BLOCK.findall((ROOT / page).read_text())
    whole = (text for language, text in found if language == "yaml" and f"kind: {kind}\n" in text)
    return str(next(whole))


@dataclass(frozen=True)
class Typist:
    """Types commands where a reader would: beside the local cluster of one home.

    Attributes:
        home: of the cluster.
        data: where its pods find data sets.
        programs: of the package, as it was installed.
    """

    home: Path
    data: str
    programs: Path

    @property
    def layout(self) -> Layout:
        """Of the cluster, once it is up."""
        return Layout.load(self.home)

    async def type(self, text: str) -> Finished:
        """Run commands in the cluster's network, with kubectl and its plug-in on PATH."""
        return await self.bare(f"{self.local('shell')} bash -euc '{_quoted(self.own(text))}'")

    async def bare(self, script: str) -> Finished:
        """Run a script in the checkout, which the cluster need not be up for."""
        environment = {"PATH": self.path, "KUBECACHEDIR": str(self.home / "run" / "kubectl")}
        return await run("bash", "-euc", f"cd {ROOT}\n{script}", environment=environment)

    @property
    def path(self) -> str:
        """Where programs are looked for: those that were installed, then the cluster's own."""
        return f"{self.programs}:{self.home / 'bin'}:{os.environ['PATH']}"

    def local(self, verb: str) -> str:
        """The command of hack/local for this home."""
        return f"hack/local {verb} --home {self.home}"

    def own(self, text: str) -> str:
        """The text with what a reader fills in: overlay, registry, account, data."""
        filled = {
            "manifests/overlays/aks": str(self.home / "overlay"),
            "myregistry.azurecr.io": address(self.layout),
            "=USER": f"={ACCOUNT.user}",
            "=PASSWORD": f"={ACCOUNT.password}",
            "https://data.example.com/train.parquet": self.data,
            "tuning.yaml": str(self.home / "tuning.yaml"),
        }
        for theirs, ours in filled.items():
            text = text.replace(theirs, ours)
        return text


def _quoted(text: str) -> str:
    """A text for single quotes of a shell."""
    return text.replace("'", "'\\''")
