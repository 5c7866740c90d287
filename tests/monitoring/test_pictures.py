"""Pictures of dashboards: what is drawn is what was measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import pytest

from hack.monitoring.panels import DASHBOARDS, Dashboard, Panel, Query
from hack.monitoring.pictures import FOLDER, Line, drawn

LINE = re.compile(r'<polyline points="([^"]*)"')
BOARD = Dashboard(
    "one",
    "One & only",
    (
        Panel("Growing", "s", (Query("a", "{{which}} of them"),)),
        Panel("Silent", "s", (Query("nothing"),)),
    ),
)


def ask(expression: str) -> Sequence[Line]:
    """A line from nothing to ten, for anything but `nothing`."""
    points = tuple((float(at), at * 2.0) for at in range(6))
    return (
        [] if expression == "nothing" else [Line({"which": f"<{expression}>", "pod": "p"}, points)]
    )


def test_a_line_goes_from_the_lower_left_to_the_upper_right() -> None:
    picture = drawn(BOARD, ask)

    (line,) = LINE.findall(picture)
    points = [tuple(map(float, each.split(","))) for each in line.split()]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    assert len(points) == 6
    assert points == sorted(points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert {"One &amp; only", "Growing", "&lt;a&gt; of them", "10 s", "5 s"} <= set(texts)
    assert "Silent" not in texts


def test_every_dashboard_can_be_drawn() -> None:
    pictures = [drawn(board, ask) for board in DASHBOARDS]

    assert [len(LINE.findall(each)) >= 7 for each in pictures] == [True] * 3


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)
def test_the_picture_in_the_pages_shows_every_panel_of_its_dashboard(board: Dashboard) -> None:
    picture = (FOLDER / f"{board.name}.svg").read_text()
    (title,) = re.findall(r'font-size="16">([^<]*)<', picture)
    panels = re.findall(r'font-weight="bold">([^<]*)<', picture)

    assert title == escape(board.title)
    assert panels == [escape(panel.title) for panel in board.panels]
