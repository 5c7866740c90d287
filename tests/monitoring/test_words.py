"""What is written about series, events and reasons, beside the code that speaks them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.monitoring import __main__ as monitoring
from hack.vocabulary import __main__ as vocabulary
from hack.vocabulary import events, series
from tests.bystander import Json

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "components" / "monitoring"
ALERTS = (ROOT / "docs" / "reference" / "alerts.md").read_text()
LOOKED_UP = {
    "kaito_instances",
    "kaito_instances_listed_timestamp_seconds",
    "kaito_orphans_deleted_total",
    "kaito_preflights_skipped_total",
    "karpenter_machines_initialized_total",
    "karpenter_machines_launched_total",
    "karpenter_machines_registered_total",
    "karpenter_machines_terminated_total",
}
"""Series of controllers that no rule and no dashboard asks for: people do, by the page."""
ADAPTERS = {"running_lora_adapters", "waiting_lora_adapters"}
"""Labels whose bound the page tells."""
NAME = re.compile(
    r"\b((?:kaito|vllm|controller_runtime|workqueue|rest_client|process|leader)[\w:]*)"
)


def dashboards() -> list[Path]:
    return sorted((MONITORING / "dashboards").glob("*.json"))


def rules() -> Iterator[Json]:
    """Every rule, of alerts and of recorded series."""
    for path in sorted(MONITORING.rglob("rules.yaml")):
        for group in yaml.safe_load(path.read_text())["spec"]["groups"]:
            yield from group["rules"]


def expressions() -> Iterator[str]:
    """Every query of a rule or a dashboard."""
    yield from (rule["expr"] for rule in rules())
    for path in dashboards():
        yield from queries(json.loads(path.read_text()))


def queries(board: Json) -> Iterator[str]:
    """Every query of a dashboard."""
    return (target["expr"] for panel in board["panels"] for target in panel["targets"])


def named(expression: str) -> set[str]:
    """Series that an expression asks for: without labels, their values, and groupings."""
    bare = re.sub(r"\{[^}]*\}", "", re.sub(r"\b(by|on|group_left)\s*\([^)]*\)", "", expression))
    return set(NAME.findall(bare))


def parts(family: series.Series) -> set[str]:
    """Names that the series of a family have."""
    ended = ("bucket", "count", "sum") if family.type == "histogram" else ()
    return {family.name, *(f"{family.name}_{part}" for part in ended)}


def known() -> set[str]:
    """Series that the code or a recording rule makes."""
    ours = [*series.engine(), *series.kaito_own(), *series.provisioner_own()]
    ours += [*series.model_server(), *series.standard()]
    names = set[str]().union(*(parts(each) for each in ours))
    return names | {rule["record"] for rule in rules() if "record" in rule}


@pytest.mark.parametrize("expression", list(expressions()))
def test_a_query_asks_for_series_that_exist(expression: str) -> None:
    asked = named(expression)

    assert asked
    assert asked <= known()


def test_the_pages_say_what_the_code_says() -> None:
    assert vocabulary.stale() == []


def test_the_dashboards_are_those_that_are_described() -> None:
    assert monitoring.main(["--check"]) == 0


def test_every_log_event_has_a_meaning_and_no_other() -> None:
    assert set(events.MEANINGS) == set(events.found()), "see hack/vocabulary/events.py"


def test_labels_are_words_that_have_few_values() -> None:
    ours = [*series.engine(), *series.kaito_own(), *series.provisioner_own()]
    served = [*series.model_server(), *series.trainer()]
    labels = {label for each in [*ours, *served] for label in each.labels}

    assert labels.isdisjoint({"uid", "pod", "node", "workspace", "namespace", "claim", "instance"})
    assert labels >= {"state", "model_name", "finished_reason"} | ADAPTERS
    assert [each.name for each in served if ADAPTERS & {*each.labels}] == [
        "vllm:lora_requests_info"
    ]


def test_the_page_has_each_recorded_series_with_the_labels_that_are_kept() -> None:
    recorded = [(rule["record"], rule["expr"]) for rule in rules() if "record" in rule]
    kept = {
        name: {
            label.strip()
            for inside in re.findall(r"\bby \(([^)]*)\)", expression)
            for label in inside.split(",")
        }
        - {"le"}
        for name, expression in recorded
    }

    assert {each.name: {*each.labels} for each in series.recorded()} == kept


def test_the_page_of_alerts_names_those_that_our_provisioner_alone_can_fire() -> None:
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    theirs = {part for each in series.provisioner_own() for part in parts(each)}

    def asks(expression: str) -> set[str]:
        return {
            deeper
            for name in named(expression)
            for deeper in (asks(recorded[name]) if name in recorded else {name})
        }

    alone = {rule["alert"] for rule in rules() if "alert" in rule and asks(rule["expr"]) <= theirs}
    (said,) = re.findall(r"Only where it runs can these fire:\n(.*)", ALERTS)

    assert set(re.findall(r"`(\w+)`", said)) == alone
    assert len(alone) == 5


def test_every_series_of_ours_has_a_meaning_and_is_asked_for_or_looked_up() -> None:
    ours = [*series.kaito_own(), *series.provisioner_own()]
    asked = {name for expression in expressions() for name in named(expression)}
    silent = {each.name for each in ours if parts(each).isdisjoint(asked)}

    assert silent == LOOKED_UP
    assert [each.name for each in ours if not each.text] == []


@pytest.mark.parametrize("path", dashboards(), ids=lambda path: path.stem)
def test_a_dashboard_shows_no_series_twice_and_lets_its_source_be_chosen(path: Path) -> None:
    board = json.loads(path.read_text())
    asked = list(queries(board))

    assert board["uid"] == f"kaito-{path.stem}"
    assert len(asked) == len(set(asked))
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${datasource}"}
