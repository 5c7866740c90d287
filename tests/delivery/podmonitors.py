"""Our PodMonitors as the Prometheus operator hands them on: scrape jobs that choose by relabelling.

Debian's Prometheus has no discovery by Kubernetes: pods come from a file, with the labels that the
role `pod` of that discovery would give them. What a PodMonitor says and nobody translates here is
refused, so that nothing is deployed that was not tried.

Source: generatePodMonitorConfig in pkg/prometheus/promcfg.go of the Prometheus operator; the page
`kubernetes_sd_config` of Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import yaml

from hack.cluster.layout import loopback
from tests.bystander import Json

FILE = Path(__file__).parents[2] / "manifests" / "components" / "monitoring" / "pods.yaml"
SPECS = {"selector", "namespaceSelector", "podMetricsEndpoints"}
ENDPOINTS = {"port", "path", "scheme", "interval", "tlsConfig", "authorization"}
AUTHORIZATION = {"type", "credentials"}
EXPRESSION = {"key", "operator", "values"}
META = "__meta_kubernetes"
ENDED = "(Failed|Succeeded)"


def documents() -> list[Json]:
    """All that the component deploys for Prometheus to find pods."""
    return list(yaml.safe_load_all(FILE.read_text()))


def monitors() -> dict[str, Json]:
    """The PodMonitors by name."""
    found = [each for each in documents() if each["kind"] == "PodMonitor"]
    return {each["metadata"]["name"]: each for each in found}


def jobs(monitor: Json, *, pods: Path, secrets: Path) -> Iterator[Json]:
    """A scrape job for each endpoint of a PodMonitor.

    Args:
        monitor: as it is deployed.
        pods: file of `discovered` ones, YAML.
        secrets: folder with a file NAME.KEY for each key of a Secret that is named.

    Raises:
        AssertionError: the PodMonitor says something that is not translated.
    """
    spec, meta = monitor["spec"], monitor["metadata"]
    name = f"{meta['namespace']}/{meta['name']}"
    _only(spec, SPECS)
    for number, endpoint in enumerate(spec["podMetricsEndpoints"]):
        _only(endpoint, ENDPOINTS)
        yield {
            "job_name": f"podMonitor/{name}/{number}",
            "file_sd_configs": [{"files": [str(pods)]}],
            "scrape_interval": endpoint["interval"],
            "metrics_path": endpoint.get("path", "/metrics"),
            "scheme": endpoint.get("scheme", "http"),
            **_security(endpoint, secrets),
            "relabel_configs": [
                {"action": "drop", "source_labels": [f"{META}_pod_phase"], "regex": ENDED},
                *_selection(monitor),
                _keep(f"{META}_pod_container_port_name", re.escape(endpoint["port"])),
                {"source_labels": [f"{META}_namespace"], "target_label": "namespace"},
                {"source_labels": [f"{META}_pod_container_name"], "target_label": "container"},
                {"source_labels": [f"{META}_pod_name"], "target_label": "pod"},
                {"target_label": "job", "replacement": name},
                {"target_label": "endpoint", "replacement": endpoint["port"]},
            ],
        }


def discovered(pod: Json) -> Iterator[Json]:
    """A target for each port of a pod that has an address, as a group of a file.

    Addresses are those of this machine's loopback network, where such a pod can be reached.
    """
    meta, address = pod["metadata"], pod["status"].get("podIP")
    if not address:
        return
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", ()):
            yield {
                "targets": [f"{loopback(address)}:{port['containerPort']}"],
                "labels": {
                    f"{META}_namespace": meta["namespace"],
                    f"{META}_pod_name": meta["name"],
                    f"{META}_pod_phase": pod["status"]["phase"],
                    f"{META}_pod_container_name": container["name"],
                    f"{META}_pod_container_port_name": port.get("name", ""),
                    **_labels(meta.get("labels", {})),
                },
            }


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    values = {f"{META}_pod_label_{_word(key)}": value for key, value in labels.items()}
    return values | {f"{META}_pod_labelpresent_{_word(key)}": "true" for key in labels}


def _word(key: str) -> str:
    """A label's key as a part of the name of one of Prometheus."""
    return re.sub(r"\W", "_", key)


def _keep(label: str, pattern: str) -> Json:
    return {"action": "keep", "source_labels": [label], "regex": pattern}


def _selection(monitor: Json) -> Iterator[Json]:
    """What keeps the pods that a PodMonitor selects."""
    selector, spaces = monitor["spec"]["selector"], monitor["spec"].get("namespaceSelector", {})
    _only(spaces, {"any"})
    _only(selector, {"matchExpressions"})
    if not spaces.get("any"):
        yield _keep(f"{META}_namespace", re.escape(monitor["metadata"]["namespace"]))
    for each in selector["matchExpressions"]:
        _only(each, EXPRESSION)
        label = _word(each["key"])
        match each["operator"]:
            case "Exists":
                yield _keep(f"{META}_pod_labelpresent_{label}", "true")
            case "In":
                values = "|".join(map(re.escape, each["values"]))
                yield _keep(f"{META}_pod_label_{label}", f"({values})")
            case other:
                raise AssertionError(f"the operator {other} is not translated")


def _security(endpoint: Json, secrets: Path) -> Json:
    found: Json = {}
    if tls := endpoint.get("tlsConfig"):
        _only(tls, {"insecureSkipVerify"})
        found["tls_config"] = {"insecure_skip_verify": tls["insecureSkipVerify"]}
    if who := endpoint.get("authorization"):
        named = who["credentials"]
        _only(who, AUTHORIZATION)
        _only(named, {"name", "key"})
        found["authorization"] = {
            "type": who.get("type", "Bearer"),
            "credentials_file": str(secrets / f"{named['name']}.{named['key']}"),
        }
    return found


def _only(said: Mapping[str, object], translated: AbstractSet[str]) -> None:
    """See that nothing is said but what is translated."""
    assert said.keys() <= translated, f"{sorted(said.keys() - translated)} is not translated"
