"""What was decided is written down in one form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rules.tree import ROOT

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
STATUS = re.compile(r"^Status: (proposed|accepted|superseded by [0-9]{4})$", re.MULTILINE)


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in DECISIONS]

    assert numbers == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_number_a_status_and_what_it_costs(path: Path) -> None:
    text = path.read_text()

    assert text.startswith(f"# {path.name[:4]}: ")
    assert STATUS.search(text)
    assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences"))


def test_the_index_names_every_decision() -> None:
    index = (ROOT / "docs" / "README.md").read_text()

    assert [path.name for path in DECISIONS if f"decisions/{path.name}" not in index] == []


def test_links_between_documents_lead_somewhere() -> None:
    files = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in files
        if path.exists()
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text())
        if not (path.parent / target).exists()
    ]

    assert broken == []
