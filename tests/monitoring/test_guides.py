"""What the pages refer to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = DOCS / "guides"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("manifests/**/*.md")))


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    pages = [str(path.relative_to(DOCS)) for path in sorted(DOCS.rglob("*.md"))]

    assert len(pages) > 30
    assert [each for each in pages if f"({each})" not in index and each != "README.md"] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_paths_of_manifests_in_the_guides_exist() -> None:
    named = {
        path
        for page in GUIDES.glob("*.md")
        for path in re.findall(r"\bmanifests/[\w./-]*\w", page.read_text())
    }

    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_readme_names_the_kubernetes_that_the_tests_run() -> None:
    module = (ROOT / "hack/controlplane/go.mod").read_text()
    (built,) = re.findall(r"k8s\.io/kubernetes v(\d+\.\d+)\.", module)

    assert f"{built} is the one that the tests run" in (ROOT / "README.md").read_text()
