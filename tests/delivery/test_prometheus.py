"""A real Prometheus over the real operator: it scrapes, draws every panel, raises the alerts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from hack.cluster.cache import cache_folder
from hack.cluster.layout import loopback
from hack.cluster.session import running
from hack.cluster.state import fresh_home
from hack.monitoring import panels, pictures
from hack.monitoring.panels import Dashboard
from tests import loglines, rights
from tests.behaviour.containers import processes
from tests.bystander import WORKSPACE, Bystander, Json, holds, quick_start, run, until
from tests.claims import MACHINE, manifest
from tests.conftest import PACE
from tests.delivery.prometheus import RULES, Prometheus, watching
from tests.excused import BY_SCRAPES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PLACEHOLDERS = ROOT / "manifests" / "examples" / "tuning-phi-3.yaml"
DASHBOARDS = ROOT / "manifests" / "components" / "monitoring" / "dashboards"
OURS = "--namespace=kaito-system"
SOON = (
    "PROVISIONER_LAUNCH_DEADLINE_SECONDS=1",
    "PROVISIONER_REGISTRATION_DEADLINE_SECONDS=1",
    "PROVISIONER_INITIALIZATION_DEADLINE_SECONDS=1",
    "PROVISIONER_GARBAGE_AGE_SECONDS=1",
    "PROVISIONER_GARBAGE_ACTION=report",
)
"""Deadlines that are over at once, and leftovers that stay to be seen."""
LATE = "kaito:time_to_first_token_seconds:p95_5m"
OPERATOR, MODELS = 'job="kaito-system/kaito"', 'job="kaito-system/kaito-models"'
UNSEEN = f"count_over_time((up{{{MODELS}}} == 0)[20s:1s]) >= 3"
FIRED = 'ALERTS{alertstate="firing"}'
LONG = {
    "model": "phi-3-mini-4k-instruct",
    "prompt": "What is KAITO?",
    "ignore_eos": True,
    "max_tokens": 256,
}
BOTH = {"kaito", "provisioner"}
EVERY = f'{OPERATOR},namespace="kaito-system"'
CROWD = 64
"""More than are generated at once."""


def wanted(name: str) -> str:
    """The quick start under another name, on a type that is still sold: pictures show it."""
    labels = {"matchLabels": {"apps": "phi-3"}}
    return quick_start(
        name, resource={"instanceType": "Standard_NC4as_T4_v3", "labelSelector": labels}
    )


async def done(cluster: Bystander, *words: str, stdin: str = "") -> None:
    finished = await cluster.kubectl(*words, stdin=stdin)
    assert finished.code == 0, finished.errors


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[Bystander]:
    """One whose operator loses rights in the end: nobody compares what it was denied."""
    home = fresh_home(cache_folder() / "clusters", "test-")
    async with running(home=home, pace=PACE) as layout:
        yield Bystander(layout)
        assert loglines.unexplained(loglines.lines(layout)) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(cluster: Bystander) -> AsyncIterator[Prometheus]:
    """A cluster whose model has answered, and whose Prometheus has seen it."""
    async with watching(cluster) as prometheus:
        await done(cluster, "apply", "-f", "-", stdin=wanted(WORKSPACE))
        await until("idle GPUs to be told", raises(prometheus, "KaitoGpusIdle"))
        await until("the model to answer", lambda: is_ready(cluster))
        await prometheus.aim()
        yield prometheus


@contextmanager
def halted(pod: Json) -> Iterator[None]:
    """A pod whose processes stand still while the context is open."""
    for each in (found := processes(pod)):
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in found:
            os.kill(each, signal.SIGCONT)


async def programs(watched: Prometheus, expression: str) -> set[str]:
    """Whose pods have a number for an expression by pod."""
    return {
        each["metric"]["pod"].partition("-")[0]
        for each in await watched.query(expression)
        if each["value"][1] != "NaN"
    }


async def is_ready(cluster: Bystander) -> bool:
    return holds(await cluster.workspace(), "Ready")


async def is_alone(cluster: Bystander) -> bool:
    """Whether nothing of the operator runs."""
    return not await cluster.items("/api/v1/namespaces/kaito-system/pods")


def raises(prometheus: Prometheus, alert: str) -> Callable[[], Awaitable[bool]]:
    """Look whether an alert fires, wherever the pods are by now."""

    async def look() -> bool:
        await prometheus.aim()
        return alert in await prometheus.firing()

    return look


async def test_both_processes_are_scraped_over_tls(watched: Prometheus) -> None:
    async def both() -> bool:
        up = await watched.query(f"up{{{OPERATOR}}} == 1")
        return {each["metric"]["container"] for each in up} == {"kaito", "provisioner"}

    assert await until("both to be scraped", both)


async def test_dashboards_and_alerts_look_at_every_controller_there_is(
    watched: Prometheus,
) -> None:
    async def controllers(chosen: str) -> set[str]:
        series = f"controller_runtime_reconcile_total{{{chosen}}}"
        found = await watched.query(f"group by (controller) ({series})")
        return {each["metric"]["controller"] for each in found}

    async def there() -> set[str]:
        found = await controllers(OPERATOR)
        return found if found >= {"workspace", "machines"} else set()

    assert await until("both to be scraped", there) <= await controllers(panels.OURS)


async def test_who_scrapes_is_reviewed_with_rights_that_nothing_else_needs(
    watched: Prometheus, cluster: Bystander
) -> None:
    await until("scrapes", lambda: watched.query(f"up{{{OPERATOR}}} == 1"))

    assert sorted(BY_SCRAPES - rights.used(rights.requests(cluster.layout))) == []


async def test_nobody_reads_metrics_without_the_right_to(cluster: Bystander) -> None:
    pods = await cluster.items("/api/v1/namespaces/kaito-system/pods")
    token = await cluster.kubectl("create", "token", "default")
    answers = []
    for pod in pods:
        url = f"https://{loopback(pod['status']['podIP'])}:8080/metrics"
        for header in ((), ("-H", f"Authorization: Bearer {token.output.strip()}")):
            said = await run("curl", "-qsk", "--noproxy", "*", "-w", "%{http_code}", *header, url)
            answers.append(said.output.splitlines()[-1])

    assert answers == ["401", "403"] * len(pods)


async def test_a_workspace_that_waits_for_a_person_raises_an_alert(
    watched: Prometheus, cluster: Bystander
) -> None:
    await done(cluster, "apply", "-f", str(PLACEHOLDERS))

    assert await until("Stalled", raises(watched, "KaitoWorkspaceStalled"))


async def test_answers_that_begin_late_raise_an_alert(
    watched: Prometheus, cluster: Bystander
) -> None:
    status, answer = await cluster.chat({"prompt": "What is KAITO?"})
    assert status == 200, answer
    await until("the answer to be told", lambda: watched.query(f"{LATE} >= 0"))
    assert not await watched.query(f"{LATE} > 2")
    assert "KaitoModelSlow" not in await watched.firing()

    crowd = [
        asyncio.create_task(cluster.ask("/v1/completions", LONG, WORKSPACE)) for _ in range(CROWD)
    ]
    await until("some to wait", lambda: watched.query("vllm:num_requests_waiting > 0"))
    (pod,) = await cluster.pods()
    with halted(pod):
        await until("three scrapes to fail", lambda: watched.query(UNSEEN))
    answers = await asyncio.gather(*crowd)

    assert {status for status, _ in answers} == {200}
    assert await until("slowness", raises(watched, "KaitoModelSlow"))


async def test_alerts_about_the_cloud_fire_when_it_refuses(
    watched: Prometheus, cluster: Bystander
) -> None:
    await done(cluster, "set", "env", "deployment/provisioner", OURS, *SOON)
    await done(cluster, "rollout", "status", "deployment/provisioner", OURS, "--timeout=180s")
    await cluster.play({"match": {"operation": "PUT"}, "fault": "quota"})
    await done(cluster, "apply", "-f", "-", stdin=wanted("poor"))
    for alert in ("KaitoQuotaExhausted", "KaitoProvisioningOverdue"):
        assert await until(alert, raises(watched, alert))
    await cluster.play({"match": {"operation": "LIST"}, "fault": "throttle"})

    assert await until("throttling", raises(watched, "KaitoCloudThrottled"))
    await cluster.play()


BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))}


@pytest.mark.parametrize("name", BOARDS)
async def test_every_query_of_a_dashboard_returns_data(watched: Prometheus, name: str) -> None:
    board = BOARDS[name]
    silent = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert silent

    async def all_spoke() -> bool:
        silent[:] = [each for each in silent if not await watched.query(each)]
        return not silent

    with suppress(AssertionError):
        await until(f"data for {name}", all_spoke)
    assert silent == []


async def test_dashboards_made_for_any_controller_have_data_of_both_processes(
    watched: Prometheus, cluster: Bystander
) -> None:
    queries = yaml.safe_load((Path(__file__).parent / "stock.yaml").read_text())
    assert len(queries) > 20
    silent = [each.replace("every", EVERY) for each in queries]
    (claim,) = await cluster.machines()
    turns = count()

    async def all_spoke() -> bool:
        # Of what nobody does there is no duration.
        stirred = ("annotate", "--overwrite", "machine", claim["metadata"]["name"])
        await done(cluster, *stirred, f"example.com/turn={next(turns)}")
        silent[:] = [each for each in silent if await programs(watched, each) != BOTH]
        return not silent

    with suppress(AssertionError):
        await until("data of both", all_spoke)
    assert silent == []


async def test_no_series_has_the_name_of_an_object(watched: Prometheus, cluster: Bystander) -> None:
    there = ("pods", "nodes", "services")
    paths = [f"/api/v1/{each}" for each in there]
    paths += ["/apis/kaito.sh/v1alpha1/workspaces", "/apis/karpenter.sh/v1alpha5/machines"]
    names = {each["metadata"]["name"] for path in paths for each in await cluster.items(path)}
    series = await watched.query(f"{{{OPERATOR}}}")
    values = {
        value
        for each in series
        for key, value in each["metric"].items()
        if key not in {"pod", "__name__"}
    }

    assert len(names) > 5
    assert len(series) > 500
    assert values & names == set()


@pytest.mark.parametrize("board", panels.DASHBOARDS, ids=lambda board: board.name)
async def test_a_picture_of_each_dashboard_is_drawn_from_what_was_seen(
    watched: Prometheus, board: Dashboard, tmp_path: Path
) -> None:
    asked = pictures.asking(watched.url, seconds=120)

    drawn = await asyncio.to_thread(pictures.drawn, board, asked)

    assert drawn.count("<polyline ") >= len(board.panels)
    (tmp_path / f"{board.name}.svg").write_text(drawn)


async def test_a_pool_that_nobody_owns_is_told(watched: Prometheus, cluster: Bystander) -> None:
    (claim,) = await cluster.machines()
    await done(cluster, "scale", "deployment", "provisioner", OURS, "--replicas=0")
    await done(cluster, "scale", "deployment", "kaito", OURS, "--replicas=0")
    # One that still runs would give the pool back.
    await until("both to be gone", lambda: is_alone(cluster))
    name = claim["metadata"]["name"]
    forget = '{"metadata":{"finalizers":null}}'
    await done(cluster, "delete", "machine", name, "--wait=false")
    await done(cluster, "patch", "machine", name, "--type=merge", "-p", forget)
    await done(cluster, "scale", "deployment", "provisioner", OURS, "--replicas=1")

    assert await until("the leftover", raises(watched, "KaitoPoolWithoutOwner"))


async def test_a_node_that_has_no_gpus_to_offer_is_told(
    watched: Prometheus, cluster: Bystander
) -> None:
    claim = MACHINE.claim("nogpu", vm_size="Standard_D4s_v5")
    await done(cluster, "apply", "-f", "-", stdin=manifest(claim))

    assert await until("the node", raises(watched, "KaitoNodeWithoutGpus"))


async def test_nobody_leads_when_nobody_is_there(watched: Prometheus, cluster: Bystander) -> None:
    def without_leader(name: str) -> Callable[[], Awaitable[list[Json]]]:
        fires = f'ALERTS{{alertname="KaitoNoLeader",alertstate="firing",name="{name}"}}'
        return lambda: watched.query(fires)

    assert await until("no leader", without_leader("kaito"))
    assert not await without_leader("provisioner")()

    await done(cluster, "scale", "deployment", "provisioner", OURS, "--replicas=0")
    await until("the provisioner to be gone", lambda: is_alone(cluster))
    await watched.aim()

    assert await until("none of the other", without_leader("provisioner"))


async def test_reconciles_that_may_not_write_are_told(
    watched: Prometheus, cluster: Bystander
) -> None:
    await lose(cluster, "workspaces/status")
    await done(cluster, "scale", "deployment", "kaito", OURS, "--replicas=1")
    number = 0

    async def errors() -> bool:
        nonlocal number
        number += 1
        await done(cluster, "apply", "-f", "-", stdin=quick_start(f"refused-{number}"))
        return await raises(watched, "KaitoReconcileErrors")()

    assert await until("errors", errors)


async def test_a_cache_that_may_not_be_filled_and_one_that_hears_nothing_are_told(
    watched: Prometheus, cluster: Bystander
) -> None:
    async def unheard() -> list[float]:
        await watched.aim()
        return [
            float(each["value"])
            for each in await watched.fired()
            if each["labels"]["alertname"] == "KaitoCacheStale"
            and each["labels"]["resource"] == "nodes"
        ]

    async def unreadable() -> bool:
        return await unheard() == [0]

    async def silent() -> bool:
        return any(await unheard())

    await lose(cluster, "nodes")
    await done(cluster, "delete", "pod", OURS, "--selector=app.kubernetes.io/name=kaito")

    assert await until("what may not be read", unreadable)
    # Of what may not be read nothing is heard: in time the other half of the alert is true as well.
    assert await until("what nothing is heard of", silent)


async def test_every_alert_there_is_has_fired_above(watched: Prometheus) -> None:
    there = {
        rule["alert"]
        for path in RULES.rglob("rules.yaml")
        for group in yaml.safe_load(path.read_text())["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }

    fired = await watched.query(f"count by (alertname) (last_over_time({FIRED}[1h]))")

    assert {each["metric"]["alertname"] for each in fired} == there


async def lose(cluster: Bystander, resource: str) -> None:
    """Take a right from the workspace controller."""
    role = await cluster.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/kaito")
    rules = [rule for rule in role["rules"] if resource not in rule.get("resources", ())]
    change = json.dumps({"rules": rules})
    await done(cluster, "patch", "clusterrole", "kaito", "--type=merge", "-p", change)
