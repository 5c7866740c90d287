"""What the guides refer to is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"


def test_every_guide_is_listed_and_every_link_leads_somewhere() -> None:
    index = (GUIDES.parent / "README.md").read_text()
    pages = sorted(GUIDES.glob("*.md"))
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    ]

    assert [page.name for page in pages if f"guides/{page.name}" not in index] == []
    assert links
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_paths_of_manifests_in_the_guides_exist() -> None:
    named = {
        path
        for page in GUIDES.glob("*.md")
        for path in re.findall(r"\bmanifests/[\w./-]*\w", page.read_text())
    }

    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
