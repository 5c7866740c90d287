"""What a real Prometheus is given here says what is deployed, or is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bystander import Json
from tests.delivery import podmonitors, prometheus

OWN = podmonitors.monitors()["kaito"]
EXPRESSION = {"key": "app", "operator": "Exists"}


def jobs(monitor: Json) -> list[Json]:
    return list(podmonitors.jobs(monitor, pods=Path("pods.yaml"), secrets=Path("secrets")))


def changed(*path: str | int, to: object) -> Json:
    """Our PodMonitor of the controllers, with something else at a place."""
    found = copy.deepcopy(OWN)
    here: Any = found
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = to
    return found


SPEC: Json = OWN["spec"]
ENDPOINT: Json = SPEC["podMetricsEndpoints"][0]
FIRST = ("spec", "podMetricsEndpoints", 0)
AUTHORIZATION: Json = ENDPOINT["authorization"]


@pytest.mark.parametrize(
    ("monitor", "said"),
    [
        (changed("spec", "sampleLimit", to=1), "sampleLimit"),
        (changed("spec", "selector", "matchLabels", to={"a": "b"}), "matchLabels"),
        (
            changed(
                "spec", "selector", "matchExpressions", to=[EXPRESSION | {"operator": "NotIn"}]
            ),
            "NotIn",
        ),
        (
            changed("spec", "selector", "matchExpressions", to=[EXPRESSION | {"other": "x"}]),
            "other",
        ),
        (changed("spec", "namespaceSelector", to={"matchNames": ["a"]}), "matchNames"),
        (changed(*FIRST, "params", to={}), "params"),
        (changed(*FIRST, "tlsConfig", "serverName", to="a"), "serverName"),
        (changed(*FIRST, "authorization", to={**AUTHORIZATION, "file": "a"}), "file"),
        (changed(*FIRST, "authorization", "credentials", "optional", to=True), "optional"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_is_not_translated_is_refused(monitor: Json, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        jobs(monitor)


def test_ours_are_translated() -> None:
    found = [job for each in podmonitors.monitors().values() for job in jobs(each)]

    assert [each["scheme"] for each in found] == ["https", "http", "http"]
    assert found[0]["authorization"]["credentials_file"] == "secrets/metrics-reader.token"


def quick() -> dict[str, str]:
    """The alerts' expressions, as a real Prometheus is given them."""
    groups = yaml.safe_load(prometheus.quick_rules())["groups"]
    return {
        rule["alert"]: rule["expr"]
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    }


def test_a_threshold_is_shortened_wherever_it_stands() -> None:
    found = quick()

    assert found["KaitoCacheStale"].startswith(
        "max by (resource) (kaito_informer_age_seconds) > 30\n"
    )
    assert found["KaitoPoolWithoutOwner"].endswith("> 1")
    assert found["KaitoModelSlow"].endswith("> 2")


def test_a_threshold_that_no_rule_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(prometheus.SHORTER, "> 60", "> 1")

    with pytest.raises(AssertionError, match="no alert has the threshold > 60"):
        quick()
