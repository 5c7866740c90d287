"""The rules, as Prometheus's own tool sees them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from hack import debian
from hack.cluster.cache import cache_folder
from tests.bystander import Json

ROOT = Path(__file__).parents[2]
RULES = ROOT / "manifests" / "components" / "monitoring" / "rules.yaml"
CASES = Path(__file__).parent / "alerts.yaml"
SEVERITIES = {"critical", "warning", "info"}


def rules() -> list[Json]:
    """Every rule, recording and alerting."""
    groups = yaml.safe_load(RULES.read_text())["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, Json]:
    """Every alerting rule by its name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rules in the form that Prometheus reads, and the cases beside them."""
    groups = yaml.safe_load(RULES.read_text())["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups))
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
    checked = promtool(folder, "check", "rules", "rules.yaml")

    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules())} rules found" in checked.stdout


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

    assert fires == silent == set(alerts())


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_bad_it_is_and_where_its_runbook_stands(name: str) -> None:
    alert = alerts()[name]
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (\w+)$", (ROOT / page).read_text(), flags=re.MULTILINE)

    assert alert["labels"]["severity"] in SEVERITIES
    assert anchor == name.lower()
    assert name in headings
    assert alert["annotations"]["summary"]
