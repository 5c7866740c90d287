"""Which ports of which pods Prometheus scrapes: its own relabelling decides, by our PodMonitors."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from hack import debian
from hack.cluster.cache import cache_folder
from tests.bystander import Json
from tests.delivery import podmonitors
from tests.unit.workloads.jobs import rendered, tuner
from tests.unit.workloads.wire import deployment

MANIFESTS = Path(__file__).parents[2] / "manifests"
OURS = "kaito-system"
LISTENS = "--timeout=3s"
"""promtool hears to the end of it what a discovery says."""
SHOWN = ("pod", "namespace", "__address__", "__scheme__", "__metrics_path__", "job")


def pod(name: str, workload: Json, *, namespace: str = "default", phase: str = "Running") -> Json:
    """A pod of a workload, with the address 10.1.0.1."""
    template = json.loads(json.dumps(workload["spec"]["template"]))
    meta = {"name": name, "namespace": namespace, "labels": template["metadata"]["labels"]}
    return {
        "metadata": meta,
        "spec": template["spec"],
        "status": {"phase": phase, "podIP": "10.1.0.1"},
    }


def controller(name: str) -> Json:
    """The Deployment of a controller."""
    documents = yaml.safe_load_all((MANIFESTS / name / "deployment.yaml").read_text())
    return next(each for each in documents if each["kind"] == "Deployment")


def pods() -> Iterator[Json]:
    """One of each kind that is ours, and what looks like ours and is not to be scraped."""
    yield pod("kaito-1", controller("controller"), namespace=OURS)
    yield pod("provisioner-1", controller("provisioner"), namespace=OURS)
    yield pod("elsewhere", controller("controller"))
    yield pod("server", dict(deployment()))
    yield pod("trainer", rendered(tuner()), namespace="team")
    yield pod("done", rendered(tuner()), phase="Succeeded")
    stranger = pod("stranger", dict(deployment()))
    del stranger["metadata"]["labels"]["kaito.sh/workspace"]
    yield stranger


def scraped(folder: Path, names: Sequence[str]) -> dict[str, set[tuple[str, ...]]]:
    """What each job finds: pod, namespace, address, scheme, path, and the job of the series."""
    program = debian.found("promtool", cache_folder())
    assert program, "promtool is not there: hack/install --prometheus"
    words = (str(program), "check", "service-discovery", LISTENS, "prometheus.yaml")
    asked = {
        name: subprocess.Popen([*words, name], cwd=folder, stdout=subprocess.PIPE) for name in names
    }
    return {name: set(_kept(process)) for name, process in asked.items()}


def _kept(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, ...]]:
    told, _ = process.communicate()
    assert process.returncode == 0, told
    for each in json.loads(told):
        if labels := each.get("labels"):
            yield tuple(labels[name] for name in SHOWN)


def test_prometheus_keeps_the_ports_with_metrics_of_our_running_pods_alone(tmp_path: Path) -> None:
    groups = [group for each in pods() for group in podmonitors.discovered(each)]
    (tmp_path / "pods.yaml").write_text(yaml.safe_dump(groups))
    jobs = [
        job
        for each in podmonitors.monitors().values()
        for job in podmonitors.jobs(each, pods=tmp_path / "pods.yaml", secrets=tmp_path)
    ]
    (tmp_path / "metrics-reader.token").write_text("t")
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump({"scrape_configs": jobs}))

    found = scraped(tmp_path, [each["job_name"] for each in jobs])

    secure = ("127.1.0.1:8080", "https", "/metrics", f"{OURS}/kaito")
    plain = ("http", "/metrics", f"{OURS}/kaito-models")
    assert found == {
        f"podMonitor/{OURS}/kaito/0": {
            ("kaito-1", OURS, *secure),
            ("provisioner-1", OURS, *secure),
        },
        f"podMonitor/{OURS}/kaito-models/0": {("server", "default", "127.1.0.1:5000", *plain)},
        f"podMonitor/{OURS}/kaito-models/1": {("trainer", "team", "127.1.0.1:5000", *plain)},
    }
