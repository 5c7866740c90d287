"""A real Prometheus beside the local cluster: it scrapes over TLS, as a ServiceAccount that may."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import yaml

from hack import debian
from hack.benchmarks.scale.programs import free_port
from hack.cluster.cache import cache_folder
from hack.cluster.layout import loopback
from hack.cluster.process import Process, Program
from tests.bystander import Bystander, Json

RULES = Path(__file__).parents[2] / "manifests" / "components" / "monitoring"
OPERATOR = "kaito-system"
SECOND = "1s"
SHORTER = {"> 600": "> 1", "> 10": "> 2", "> 300": "> 120"}
"""Thresholds of alerts that nobody can wait for here, and what they are instead."""


@dataclass(frozen=True)
class Prometheus:
    """One that runs.

    Attributes:
        url: where it answers.
        folder: of its configuration, targets included.
        cluster: what it watches.
    """

    url: str
    folder: Path
    cluster: Bystander

    async def query(self, expression: str) -> list[Json]:
        """The samples of an expression, now."""
        answer = await self._get(f"/api/v1/query?query={quote(expression)}")
        return list(answer["result"])

    async def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        answer = await self._get("/api/v1/alerts")
        return {
            each["labels"]["alertname"] for each in answer["alerts"] if each["state"] == "firing"
        }

    async def aim(self) -> None:
        """Scrape the pods that there are now."""
        pods = await self.cluster.items("/api/v1/pods")
        groups = [found for pod in pods if (found := _target(pod))]
        for job in ("operator", "models"):
            path = self.folder / f"{job}.yaml"
            own = [each for each in groups if each["labels"]["role"] == job]
            path.with_suffix(".new").write_text(yaml.safe_dump(own))
            path.with_suffix(".new").replace(path)

    async def _get(self, path: str) -> Json:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}{path}") as answer:
            found = await answer.json()
            assert found["status"] == "success", found
            return found["data"]


@asynccontextmanager
async def watching(cluster: Bystander) -> AsyncIterator[Prometheus]:
    """One with our rules, quicker ones, while the context is open."""
    layout, port = cluster.layout, free_port()
    folder = layout.home / "prometheus"
    folder.mkdir()
    (folder / "token").write_text(await reader_token(cluster))
    (folder / "rules.yaml").write_text(quick_rules())
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration(folder)))
    program = Program(
        "prometheus",
        (
            str(debian.found("prometheus", cache_folder()) or "prometheus is not installed"),
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ),
        {"PATH": os.environ["PATH"]},
    )
    found = Prometheus(f"http://127.0.0.1:{port}", folder, cluster)
    await found.aim()
    process = await Process.start(program, folder=folder, logs=layout.logs)
    try:
        await process.until(lambda: _is_ready(found), limit_seconds=90)
        yield found
    finally:
        await process.stop()


async def reader_token(cluster: Bystander) -> str:
    """The token of a ServiceAccount that may read the metrics."""
    for words in (
        ("create", "namespace", "monitoring"),
        ("create", "serviceaccount", "prometheus", "--namespace=monitoring"),
        (
            *("create", "clusterrolebinding", "prometheus", "--clusterrole=kaito-metrics-reader"),
            "--serviceaccount=monitoring:prometheus",
        ),
        ("create", "token", "prometheus", "--namespace=monitoring"),
    ):
        done = await cluster.kubectl(*words)
        assert done.code == 0, done.errors
    return done.output.strip()


def quick_rules() -> str:
    """The rules, without waiting, and with thresholds that can be reached."""
    specs = [yaml.safe_load(path.read_text())["spec"] for path in sorted(RULES.rglob("rules.yaml"))]
    groups = [group for spec in specs for group in spec["groups"]]
    for group in groups:
        group["interval"] = SECOND
        for rule in group["rules"]:
            rule.pop("for", None)
            for long, short in SHORTER.items():
                if "alert" in rule and rule["expr"].rstrip().endswith(long):
                    rule["expr"] = rule["expr"].replace(long, short)
    return yaml.safe_dump({"groups": groups})


def configuration(folder: Path) -> Mapping[str, object]:
    """What the Prometheus operator would make of our PodMonitors."""
    secure = {
        "scheme": "https",
        "tls_config": {"insecure_skip_verify": True},
        "authorization": {"credentials_file": str(folder / "token")},
    }
    return {
        "global": {"scrape_interval": SECOND, "evaluation_interval": SECOND},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [
            {
                "job_name": job,
                "file_sd_configs": [{"files": [str(folder / f"{job}.yaml")]}],
                **more,
            }
            for job, more in (("operator", secure), ("models", {}))
        ],
    }


def _target(pod: Json) -> Json | None:
    """Where a pod of ours shows metrics; None where it does not, or not yet."""
    meta, address = pod["metadata"], pod["status"].get("podIP")
    if not address or pod["status"]["phase"] != "Running" or meta.get("deletionTimestamp"):
        return None
    is_operator = meta["namespace"] == OPERATOR
    if not is_operator and "kaito.sh/workspace" not in meta.get("labels", {}):
        return None
    (container, *_) = pod["spec"]["containers"]
    names = {each["name"]: each["containerPort"] for each in container.get("ports", ())}
    port = names.get("metrics" if is_operator else "http")
    return {
        "targets": [f"{loopback(address)}:{port}"],
        "labels": {
            "role": "operator" if is_operator else "models",
            "namespace": meta["namespace"],
            "pod": meta["name"],
            "container": container["name"],
        },
    }


async def _is_ready(found: Prometheus) -> bool:
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{found.url}/-/ready") as answer,
        ):
            return answer.status == 200
    except aiohttp.ClientError:
        return False
