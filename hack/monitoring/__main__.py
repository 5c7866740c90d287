"""Write manifests/components/monitoring/dashboards, or compare them with `--check`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueColorMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from hack.monitoring.panels import DASHBOARDS, Dashboard, Panel

FOLDER = Path(__file__).parents[2] / "manifests" / "components" / "monitoring" / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, WIDTH = 8, 12


def rendered() -> dict[Path, str]:
    """Text of each dashboard's file."""
    return {FOLDER / f"{one.name}.json": _json(one) for one in DASHBOARDS}


def _json(one: Dashboard) -> str:
    """A dashboard as Grafana imports it."""
    built = (
        dashboard.Dashboard(one.title)
        .uid(f"kaito-{one.name}")
        .tags(["kaito"])
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
    )
    for position, panel in enumerate(one.panels):
        built = built.with_panel(_panel(panel, position))
    return str(JSONEncoder(sort_keys=True, indent=2).encode(built.build())) + "\n"


def _panel(panel: Panel, position: int) -> stat.Panel | timeseries.Panel:
    """A panel, two in a row."""
    made = _number() if panel.stat else _lines()
    made = made.title(panel.title).unit(panel.unit).datasource(SOURCE)
    made = made.height(HEIGHT).span(WIDTH)
    for number, query in enumerate(panel.queries):
        made = made.with_target(
            prometheus.Dataquery()
            .expr(query.expression)
            .legend_format(query.legend)
            .ref_id("ABCDEFGH"[number])
        )
    return made


def _number() -> stat.Panel:
    """One number in large letters."""
    return stat.Panel().color_mode(BigValueColorMode.NONE)


def _lines() -> timeseries.Panel:
    """Lines over time."""
    legend = common.VizLegendOptions().show_legend(show_legend=True)
    return timeseries.Panel().legend(legend.placement(LegendPlacement.BOTTOM))


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` compare; 1 when a file is stale."""
    stale = [path for path, text in rendered().items() if _text(path) != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.name} is stale: run python -m hack.monitoring", file=sys.stderr)
        return int(bool(stale))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in rendered().items():
        path.write_text(text)
        print(path.name)
    return 0


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
