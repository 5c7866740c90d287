"""Prometheus looks at the ports that our pods name, and at no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.unit.workloads.jobs import rendered, tuner
from tests.unit.workloads.wire import deployment

MONITORS = Path(__file__).parents[3] / "manifests/components/monitoring/pods.yaml"


def named(workload: Any) -> set[str]:
    """The names of the ports of a workload's containers."""
    containers = workload["spec"]["template"]["spec"]["containers"]
    return {port["name"] for each in containers for port in each.get("ports", ())}


def test_the_pod_monitor_of_models_scrapes_servers_and_trainers() -> None:
    found = {each["metadata"]["name"]: each for each in yaml.safe_load_all(MONITORS.read_text())}
    endpoints = found["kaito-models"]["spec"]["podMetricsEndpoints"]

    server, trainer = named(deployment()), named(rendered(tuner()))

    assert {each["port"] for each in endpoints} == server | trainer
    assert {each["path"] for each in endpoints} == {"/metrics"}
