"""Pictures of dashboards, as SVG, drawn from what a Prometheus has seen.

`python -m hack.monitoring.pictures URL SECONDS` writes docs/reference/pictures, one for each
dashboard, of the panels that have something to show.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from html import escape
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

from hack.monitoring.panels import DASHBOARDS, Dashboard, Panel

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "pictures"
WIDTH, HEIGHT, MARGIN, LEGEND = 460, 210, 46, 52
LEFT = 16
"""What numbers of an axis need beside the margin."""
POINTS = 60
MOST_LINES = 4
UNITS = {"short": "", "s": " s", "h": " h", "reqps": "/s", "bytes": "B", "percentunit": ""}
"""How values of Grafana's units end; a part of one stays a number."""
COLOURS = ("#3274d9", "#e02f44", "#37872d", "#ff9830")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One series over time.

    Attributes:
        labels: what tells it from others; a legend names some of them.
        points: time and value, in the order of time; gaps are left out.
    """

    labels: Mapping[str, str]
    points: tuple[Point, ...]

    def named(self, legend: str) -> str:
        """As a legend of Grafana's names it, `{{label}}`; "all" where there is none."""
        return re.sub(r"{{(\w+)}}", lambda found: self.labels.get(found[1], ""), legend) or "all"


Ask = Callable[[str], Sequence[Line]]
"""What a query was answered over the whole span."""
Named = tuple[str, Line]
"""A line, and how the legend has it."""


def drawn(board: Dashboard, ask: Ask) -> str:
    """A picture of a dashboard: two panels in a row, those without data left out."""
    lines = {panel.title: _lines(panel, ask) for panel in board.panels}
    shown = [panel for panel in board.panels if lines[panel.title]]
    charts = [
        f'<g transform="translate({index % 2 * WIDTH},{40 + index // 2 * HEIGHT})">'
        f"{_chart(panel, lines[panel.title])}</g>"
        for index, panel in enumerate(shown)
    ]
    height = 50 + (len(shown) + 1) // 2 * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-LEFT} 0 {LEFT + 2 * WIDTH} {height}"'
        ' font-family="sans-serif" font-size="11">'
        f'<rect x="{-LEFT}" width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="14" y="25" font-size="16">{escape(board.title)}</text>'
        f"{''.join(charts)}</svg>\n"
    )


def _lines(panel: Panel, ask: Ask) -> list[Named]:
    """The lines of a panel, those with the largest values first."""
    found = [
        (line.named(query.legend), line)
        for query in panel.queries
        for line in ask(query.expression)
        if line.points
    ]
    return sorted(found, key=lambda each: -max(value for _, value in each[1].points))[:MOST_LINES]


def _chart(panel: Panel, lines: Sequence[Named]) -> str:
    """One panel."""
    points = [point for _, line in lines for point in line.points]
    times = [at for at, _ in points]
    top = max(value for _, value in points) or 1.0
    start, span = min(times), (max(times) - min(times)) or 1.0
    right, bottom = WIDTH - 16, HEIGHT - LEGEND

    def place(point: Point) -> str:
        across = MARGIN + (point[0] - start) / span * (right - MARGIN)
        return f"{across:.1f},{bottom - point[1] / top * (bottom - 24):.1f}"

    parts = [
        f'<text x="{MARGIN}" y="14" font-weight="bold">{escape(panel.title)}</text>',
        f'<path d="M{MARGIN},24V{bottom}H{right}" fill="none" stroke="#888"/>',
        f'<text x="{MARGIN - 4}" y="30" text-anchor="end">{_number(top)}{UNITS[panel.unit]}</text>',
        f'<text x="{MARGIN - 4}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{right}" y="{bottom + 13}" text-anchor="end">{span:.0f} s</text>',
    ]
    for index, ((name, line), colour) in enumerate(zip(lines, COLOURS, strict=False)):
        way = " ".join(place(point) for point in line.points)
        x, y = MARGIN + index % 2 * 200, bottom + 26 + index // 2 * 14
        parts += [
            f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
            f'<text x="{x}" y="{y}" fill="{colour}">{escape(name[:34])}</text>',
        ]
    return "".join(parts)


def _number(value: float) -> str:
    """A value for an axis."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def asking(url: str, *, seconds: float) -> Ask:
    """Ask a Prometheus about the last seconds."""
    end = time.time()
    span = f"&start={end - seconds}&end={end}&step={max(1.0, seconds / POINTS)}"

    def ask(expression: str) -> Sequence[Line]:
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=30)) as connection:
            connection.request("GET", f"/api/v1/query_range?query={quote(expression)}{span}")
            found = json.load(connection.getresponse())["data"]["result"]
        return [_line(each) for each in found]

    return ask


def _line(found: Mapping[str, object]) -> Line:
    """One series of an answer."""
    labels, values = found["metric"], found["values"]
    assert isinstance(labels, dict)
    assert isinstance(values, list)
    points = tuple((float(at), float(value)) for at, value in values)
    return Line(labels, tuple(point for point in points if point[1] == point[1]))


def main(arguments: Sequence[str]) -> int:
    """Write the pictures."""
    url, seconds = arguments
    FOLDER.mkdir(exist_ok=True)
    for board in DASHBOARDS:
        (FOLDER / f"{board.name}.svg").write_text(drawn(board, asking(url, seconds=float(seconds))))
        print(f"{board.name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
