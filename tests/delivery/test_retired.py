"""No page names an instance type that is not sold any more without saying so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = ("*.md", "docs/**/*.md", "docs/**/*.svg", "manifests/**/*.md", "presets/**/*.md")
EXAMPLE = re.compile(r"manifests/examples/[\w.-]+\.yaml")
SKUS = [
    sku
    for path in sorted((ROOT / "presets" / "skus").glob("*.yaml"))
    for sku in yaml.safe_load(path.read_text())["skus"]
    if sku.get("retired")
]


def named(text: str, name: str) -> bool:
    """Whether a text has that name, and not merely a longer one."""
    return re.search(rf"(?<!\w){name}(?!\w)", text) is not None


def unwarned(page: str) -> list[str]:
    """Retired types that a page, or an example that it applies, names without a warning.

    The warning is a paragraph, or a table, with the type, the day and the successor.
    """
    examples = "".join((ROOT / each).read_text() for each in EXAMPLE.findall(page))
    paragraphs = page.split("\n\n")
    return [
        sku["name"]
        for sku in SKUS
        if named(page + examples, sku["name"])
        and not any(
            all(named(each, str(sku[key])) for key in ("name", "retired", "successor"))
            for each in paragraphs
        )
    ]


@pytest.mark.parametrize(
    "page",
    sorted(path for pattern in PAGES for path in ROOT.glob(pattern)),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_retired_type_is_named_with_its_day_and_its_successor(page: Path) -> None:
    assert unwarned(page.read_text()) == []


def test_a_page_without_the_warning_is_found() -> None:
    silent = "Buy a Standard_NC6s_v3.\n\nOr a Standard_NC4as_T4_v3, since 2025-09-30.\n"

    assert unwarned(silent) == ["Standard_NC6s_v3"]
    assert unwarned("kubectl apply -f manifests/examples/inference-phi-3-mini.yaml") == [
        "Standard_NC6s_v3"
    ]
