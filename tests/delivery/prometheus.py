"""A real Prometheus beside the local cluster: it scrapes what our PodMonitors tell it to."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import yaml

from hack import debian
from hack.benchmarks.scale.programs import free_port
from hack.cluster.cache import cache_folder
from hack.cluster.process import Process, Program
from tests.bystander import Bystander, Json, until
from tests.delivery import podmonitors

RULES = Path(__file__).parents[2] / "manifests" / "components" / "monitoring"
PODS = "pods.yaml"
SECRETS = "/api/v1/namespaces/kaito-system/secrets"
SECOND = "1s"
SHORTER = {"> 600": "> 1", "> 10": "> 2", "> 300": "> 30"}
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

    async def fired(self) -> list[Json]:
        """The alerts that fire: labels, and the value of the rule's expression."""
        answer = await self._get("/api/v1/alerts")
        return [each for each in answer["alerts"] if each["state"] == "firing"]

    async def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {each["labels"]["alertname"] for each in await self.fired()}

    async def aim(self) -> None:
        """Scrape the pods that there are now."""
        pods = await self.cluster.items("/api/v1/pods")
        groups = [each for pod in pods for each in podmonitors.discovered(pod)]
        path = self.folder / PODS
        path.with_suffix(".new").write_text(yaml.safe_dump(groups))
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
    await allow(cluster, folder)
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


async def allow(cluster: Bystander, folder: Path) -> None:
    """Let Prometheus in as the component does; each key of its Secrets becomes a file NAME.KEY."""
    deployed = [each for each in podmonitors.documents() if each["kind"] != "PodMonitor"]
    done = await cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(deployed))
    assert done.code == 0, done.errors
    for name in (each["metadata"]["name"] for each in deployed if each["kind"] == "Secret"):

        async def data(path: str = f"{SECRETS}/{name}") -> dict[str, str]:
            return dict((await cluster.get(path)).get("data", {}))

        for key, value in (await until(f"the Secret {name} to be filled", data)).items():
            (folder / f"{name}.{key}").write_bytes(base64.b64decode(value))


def quick_rules() -> str:
    """The rules, without waiting, and with thresholds that can be reached, as YAML.

    Raises:
        AssertionError: a threshold that is shortened stands in no rule.
    """
    specs = [yaml.safe_load(path.read_text())["spec"] for path in sorted(RULES.rglob("rules.yaml"))]
    groups = [group for spec in specs for group in spec["groups"]]
    rules = [rule for group in groups for rule in group["rules"]]
    for group in groups:
        group["interval"] = SECOND
    for rule in rules:
        rule.pop("for", None)
    for long, short in SHORTER.items():
        _shorten([rule for rule in rules if "alert" in rule], long, short)
    return yaml.safe_dump({"groups": groups})


def _shorten(alerts: Sequence[Json], long: str, short: str) -> None:
    """Replace a threshold wherever it stands."""
    found = re.compile(rf"{re.escape(long)}(?![\d.])")
    hit = [alert for alert in alerts if found.search(alert["expr"])]
    assert hit, f"no alert has the threshold {long}"
    for alert in hit:
        alert["expr"] = found.sub(short, alert["expr"])


def configuration(folder: Path) -> Json:
    """What the Prometheus operator would make of our PodMonitors, and quicker."""
    monitors = podmonitors.monitors().values()
    found = [
        job | {"scrape_interval": SECOND}
        for each in monitors
        for job in podmonitors.jobs(each, pods=folder / PODS, secrets=folder)
    ]
    return {
        "global": {"scrape_interval": SECOND, "evaluation_interval": SECOND},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": found,
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
