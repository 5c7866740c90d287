"""The rules, as Prometheus's own tool sees them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from hack import debian
from hack.cluster.cache import cache_folder
from hack.monitoring.panels import DASHBOARDS, OURS
from tests.bystander import Json

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "components" / "monitoring"
RULES = {
    "rules.yaml": MONITORING / "rules.yaml",
    "provisioner.yaml": MONITORING / "provisioner" / "rules.yaml",
}
"""Files by the names that the cases know them under."""
CASES = Path(__file__).parent / "alerts.yaml"
SEVERITIES = {"critical", "warning", "info"}


def rules() -> list[Json]:
    """Every rule, recording and alerting."""
    specs = [yaml.safe_load(path.read_text())["spec"] for path in RULES.values()]
    return [rule for spec in specs for group in spec["groups"] for rule in group["rules"]]


def alerts() -> list[Json]:
    """Every alerting rule; a name may stand for more than one."""
    return [rule for rule in rules() if "alert" in rule]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rules in the form that Prometheus reads, and the cases beside them."""
    for name, path in RULES.items():
        (tmp_path / name).write_text(yaml.safe_dump(yaml.safe_load(path.read_text())["spec"]))
    shutil.copy(CASES, tmp_path)
    return tmp_path


def promtool(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What promtool says; hack/install --prometheus brings it."""
    program = debian.found("promtool", cache_folder())
    assert program, "promtool is not there: hack/install --prometheus"
    return subprocess.run(
        [program, *words], cwd=folder, capture_output=True, text=True, check=False
    )


def test_promtool_accepts_every_rule(folder: Path) -> None:
    checked = promtool(folder, "check", "rules", *RULES)

    assert checked.returncode == 0, checked.stderr
    counted = map(int, re.findall(r"(\d+) rules found", checked.stdout))
    assert sum(counted) == len(rules())


def test_every_case_comes_out_as_it_says(folder: Path) -> None:
    tested = promtool(folder, "test", "rules", "alerts.yaml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = [
        case
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test.get("alert_rule_test", ())
    ]
    fires = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}

    assert fires == silent == {alert["alert"] for alert in alerts()}


def test_rules_look_at_the_controllers_that_dashboards_show() -> None:
    named = re.findall(r"controller=~\"[^\"]*\"", "".join(str(rule["expr"]) for rule in rules()))

    assert named
    assert set(named) == {OURS}


def test_whatever_is_recorded_is_read_by_a_rule_or_a_dashboard() -> None:
    read = [rule["expr"] for rule in rules()]
    read += [
        query.expression for one in DASHBOARDS for panel in one.panels for query in panel.queries
    ]
    recorded = [rule["record"] for rule in rules() if "record" in rule]

    assert recorded
    assert [name for name in recorded if not any(name in each for each in read)] == []


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_how_bad_it_is_and_where_its_runbook_stands(alert: Json) -> None:
    link = urlsplit(alert["annotations"]["runbook_url"])
    page = (ROOT / "docs" / link.path.lstrip("/")).read_text()
    headings = re.findall(r"^## (\w+)$", page, flags=re.MULTILINE)

    assert alert["labels"]["severity"] in SEVERITIES
    assert (link.scheme, link.netloc) == ("https", "DOCS_HERE")
    assert link.fragment == alert["alert"].lower()
    assert alert["alert"] in headings
    assert alert["annotations"]["summary"]
