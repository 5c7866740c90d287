"""Series of the processes: name, type, labels and help, out of the running code."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

import kaito.kube.metrics
import provisioner.metrics
from kaito.controllers.workspace import metrics as workspaces
from kaito.controllers.workspace.observe import Stores
from kaito.kube.histogram import Histogram
from kaito.kube.store import Store
from provisioner.controllers.machine import metrics as claims
from provisioner.controllers.machine.observe import Deadlines

_PRESETS = Path(__file__).parents[2] / "presets"
MODEL_SERVER = _PRESETS / "inference" / "serving" / "metrics.py"
TRAINER = _PRESETS / "tuning" / "training" / "metrics.py"
CENSUS_LABELS = {
    "kaito_workspaces": ("state", "reason"),
    "kaito_workspace_unready_seconds": ("reason",),
    "kaito_gpus": ("instance_type", "state"),
    "kaito_claims": ("kind", "reason"),
    "kaito_claim_age_seconds": ("kind", "reason"),
    "kaito_claim_deadline_seconds": (),
}
"""Labels of what is counted at each scrape: there is nothing to count here."""
RECORDED = {
    "kaito:reconcile_error_ratio:rate5m": (
        ("controller",),
        "Share of the reconciles of one controller that raise",
    ),
    "kaito:cloud_throttled:rate5m": ((), "Answers with 429 from the cloud, a second"),
    "kaito:time_to_first_token_seconds:p95_5m": (
        ("namespace", "model_name"),
        "Nineteen answers of twenty begin sooner",
    ),
}
"""What the rules of the component record: labels, and meaning."""


@dataclass(frozen=True, slots=True)
class Series:
    """One family as Prometheus sees it.

    Attributes:
        name: with the suffix of a counter.
        type: counter, gauge or histogram.
        labels: in the code's order.
        text: its help.
    """

    name: str
    type: str
    labels: tuple[str, ...]
    text: str


def engine() -> list[Series]:
    """Of both processes."""
    return sorted(_of(kaito.kube.metrics), key=lambda each: each.name)


def standard() -> list[Series]:
    """What the library shows of any process."""
    collectors: tuple[Collector, ...] = (PROCESS_COLLECTOR, GC_COLLECTOR, PLATFORM_COLLECTOR)
    return [_sampled(family) for each in collectors for family in each.collect()]


def recorded() -> list[Series]:
    """What Prometheus itself makes of them."""
    return [Series(name, "gauge", *told) for name, told in RECORDED.items()]


def kaito_own() -> list[Series]:
    """Of the workspace controller alone."""
    empty = Stores(
        workspaces=Store(),
        machines=Store(),
        node_claims=Store(),
        nodes=Store(),
        services=Store(),
        deployments=Store(),
        stateful_sets=Store(),
        jobs=Store(),
        pods=Store(),
    )
    count = workspaces.census(empty, lambda: datetime.now(UTC))
    return [_counted(each) for each in count()]


def provisioner_own() -> list[Series]:
    """Of the provisioner alone."""
    count = claims.census(tuple, Deadlines(), lambda: datetime.now(UTC))
    found = [*_of(provisioner.metrics), *(_counted(each) for each in count())]
    return sorted(found, key=lambda each: each.name)


def model_server() -> list[Series]:
    """Of a server of ours; vLLM has more."""
    code = runpy.run_path(str(MODEL_SERVER))
    metrics = code["Metrics"]("a model")
    metrics.watch(
        SimpleNamespace(
            running={},
            waiting={},
            waiting_by_reason=dict.fromkeys(code["WAITING"], 0),
            cache_share=0,
        )
    )
    metrics.show_adapters(0)
    metrics.show_cache(**dict.fromkeys(code["CACHE_LABELS"][1:], ""))
    return _in_registry(metrics.registry)


def trainer() -> list[Series]:
    """Of the Job of a tuning, at port 5000."""
    return _in_registry(runpy.run_path(str(TRAINER))["Metrics"]().registry)


def _in_registry(registry: CollectorRegistry) -> list[Series]:
    """All of them but those of the process."""
    return [
        _sampled(family) for family in registry.collect() if not family.name.startswith("process_")
    ]


def _sampled(family: Metric) -> Series:
    """A family whose labels its samples tell."""
    return _series(family, tuple(sorted(family.samples[0].labels)) if family.samples else ())


def page() -> str:
    """The tables of docs/reference/metrics.md."""
    parts = (
        ("Both processes", engine()),
        ("kaito", kaito_own()),
        ("provisioner", provisioner_own()),
        ("Model servers", model_server()),
        ("Trainers", trainer()),
        ("Of any process", standard()),
        ("Recorded by the component's rules", recorded()),
    )
    return "\n".join(f"## {title}\n\n{_table(found)}" for title, found in parts)


def _table(found: Iterable[Series]) -> str:
    rows = (
        f"| `{each.name}` | {each.type} | {', '.join(each.labels) or '-'} | {each.text} |\n"
        for each in found
    )
    return "| Series | Type | Labels | Meaning |\n|---|---|---|---|\n" + "".join(rows)


def _of(module: ModuleType) -> Iterator[Series]:
    """What a module defines."""
    for value in vars(module).values():
        if isinstance(value, MetricWrapperBase | Histogram):
            yield _told(value)


def _told(metric: Collector) -> Series:
    """One metric that is written to; neither library shows its labels before there is a value."""
    (family,) = _families(metric)
    inside = vars(metric)
    return _series(family, tuple(inside["_labelnames" if "_labelnames" in inside else "_labels"]))


def _families(collector: Collector) -> list[Metric]:
    return list(collector.collect())


def _counted(family: Metric) -> Series:
    """One family of a census."""
    return _series(family, CENSUS_LABELS[family.name])


def _series(family: Metric, labels: tuple[str, ...]) -> Series:
    labels = tuple(label for label in labels if label != "le")
    suffix = "_total" if family.type == "counter" else ""
    return Series(f"{family.name}{suffix}", family.type, labels, family.documentation)
