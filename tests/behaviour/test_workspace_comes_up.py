"""The main job, asserted stage by stage: up to an answer on /chat, and everything given back."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.behaviour.history import History, recorded
from tests.bystander import EXAMPLE, WORKSPACE, Bystander, Finished, holds, run, until
from tests.stages import STAGES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

QUESTION = "What is Kubernetes?"
GENERATE = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, question = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
words = tokenizer(question, return_tensors="pt")
made = model.generate(**words, do_sample=False, max_new_tokens=24)
print(json.dumps(tokenizer.decode(made[0], skip_special_tokens=True)))
"""


@pytest.fixture(scope="module")
def example() -> str:
    return EXAMPLE.read_text()


async def kaito(cluster: Bystander, *words: str) -> Finished:
    """What the plug-in says of this cluster."""
    config = ("--kubeconfig", str(cluster.layout.admin_kubeconfig))
    return await run(sys.executable, "-m", "kaito", *words, *config)


async def generated(cache: Path) -> str:
    """What the model says greedily, asked in a process of its own."""
    python = str(cache / "inference" / "bin" / "python")
    model = str(cache / "models" / "tiny-phi-3")
    offline = {"HF_HUB_OFFLINE": "1"}
    finished = await run(python, "-c", GENERATE, model, QUESTION, environment=offline)
    assert finished.code == 0, finished.errors
    return str(json.loads(finished.output))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def history(cluster: Bystander) -> AsyncIterator[History]:
    """What is said of the workspace, from before it is there."""
    async with recorded(cluster) as found:
        yield found


async def test_the_quick_start_is_accepted(
    cluster: Bystander, example: str, history: History
) -> None:
    applied = await cluster.kubectl("apply", "-f", "-", stdin=example)

    assert applied.output == f"workspace.kaito.sh/{WORKSPACE} created\n", applied.errors


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
async def test_each_stage_is_reached(cluster: Bystander, stage: object) -> None:
    assert callable(stage)
    assert await until(str(stage), lambda: stage(cluster))


async def test_kubectl_shows_what_users_expect(cluster: Bystander) -> None:
    table = await cluster.kubectl("get", "workspace", WORKSPACE)
    service = await cluster.kubectl("get", "svc", WORKSPACE)

    header, row = table.output.splitlines()
    assert header.split() == [
        *("NAME", "INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY", "AGE"),
    ]
    assert row.split()[:5] == [WORKSPACE, "Standard_NC6s_v3", "True", "True", "True"]
    assert service.output.splitlines()[1].split()[4] == "80/TCP,29500/TCP"


async def test_kubectl_knows_its_short_names_and_shows_more_on_demand(cluster: Bystander) -> None:
    (node,) = await cluster.nodes()

    named = [await cluster.kubectl("get", word, "-o", "name") for word in ("wks", "wk")]
    listed = await cluster.kubectl("api-resources", "--categories=workspace", "-o", "name")
    wide = await cluster.kubectl("get", "wks", WORKSPACE, "-o", "wide")

    assert [one.output for one in named] == [f"workspace.kaito.sh/{WORKSPACE}\n"] * 2
    assert listed.output == "workspaces.kaito.sh\n"
    header, row = wide.output.splitlines()
    assert header.split()[-3:] == ["NODES", "STATE", "REASON"]
    assert row.split()[-3:] == [f'["{node["metadata"]["name"]}"]', "Ready", "WorkspaceReady"]


async def test_kubectl_counts_each_transition_once(cluster: Bystander, history: History) -> None:
    about = f"involvedObject.kind=Workspace,involvedObject.name={WORKSPACE}"

    async def told() -> Counter[str]:
        words = ("get", "events", "-o", "wide", "--no-headers", "--field-selector", about)
        lines = (await cluster.kubectl(*words)).output.splitlines()
        rows = [re.split(r" {2,}", line) for line in lines]
        found = Counter[str]()
        for row in rows:
            found[row[2]] += int(row[-2])
        return found if "WorkspaceReady" in found else Counter()

    found = await until("the last of the events", told)

    transitions = history.reasons(WORKSPACE, "Ready")
    assert len(transitions) > 2
    assert found == Counter(transitions)


async def test_the_answer_is_what_the_model_says(cluster: Bystander) -> None:
    greedy = {"do_sample": False, "max_new_tokens": 24}

    status, answer = await cluster.chat({"prompt": QUESTION, "generate_kwargs": greedy})

    assert status == 200, answer
    assert answer == {"Result": await generated(cluster.layout.cache)}


async def test_the_api_server_reaches_the_model_through_its_proxy(cluster: Bystander) -> None:
    path = f"/api/v1/namespaces/default/services/{WORKSPACE}:80/proxy/healthz"

    assert await cluster.get(path) == {"status": "Healthy"}


async def test_the_plug_in_shows_the_way_from_the_workspace_to_its_pod(cluster: Bystander) -> None:
    (claim,) = await cluster.machines()
    (node,) = await cluster.nodes()
    (pod,) = await cluster.pods()

    shown = await kaito(cluster, "status", WORKSPACE, "-o", "json")

    assert shown.code == 0, shown.errors
    root = json.loads(shown.output)
    machine, *others = root["children"]
    assert (root["name"], root["state"]) == (f"default/{WORKSPACE}", "Ready")
    assert machine["name"] == claim["metadata"]["name"]
    assert machine["children"][0]["name"] == node["metadata"]["name"]
    assert machine["children"][0]["children"][0]["name"] == pod["metadata"]["name"]
    assert [each["kind"] for each in others] == ["Deployment", "Service"]


async def test_the_plug_in_asks_the_model_through_the_api_server(cluster: Bystander) -> None:
    answered = await kaito(cluster, "chat", WORKSPACE, QUESTION)

    assert answered.code == 0, answered.errors
    assert answered.output.strip()


async def test_the_plug_in_names_no_cause_where_there_is_none(cluster: Bystander) -> None:
    ready = await kaito(cluster, "why", WORKSPACE)
    unknown = await kaito(cluster, "why", "nobody")

    assert (ready.code, unknown.code) == (0, 2)
    assert ready.output.startswith("state:   ready for ")
    assert "no Workspace is named nobody in namespace default" in unknown.errors


async def test_who_may_edit_a_namespace_sees_and_asks_what_is_in_it(
    cluster: Bystander, tmp_path: Path
) -> None:
    account = ("--serviceaccount=default:someone",)
    for words in (
        ("create", "serviceaccount", "someone"),
        ("create", "rolebinding", "someone", "--clusterrole=edit", *account),
        ("create", "token", "someone"),
    ):
        made = await cluster.kubectl(*words)
        assert made.code == 0, made.errors
    config = yaml.safe_load(cluster.layout.admin_kubeconfig.read_text())
    config["users"][0]["user"] = {"token": made.output.strip()}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    own = ("--kubeconfig", str(tmp_path / "config"))

    shown = await run(sys.executable, "-m", "kaito", "status", WORKSPACE, *own)
    answered = await run(sys.executable, "-m", "kaito", "chat", WORKSPACE, QUESTION, *own)

    assert shown.code == 0, shown.errors
    assert "not shown: machines.karpenter.sh is forbidden" in shown.output
    assert f"Deployment {WORKSPACE}" in shown.output
    assert (answered.code, bool(answered.output.strip())) == (0, True), answered.errors


async def test_logs_of_the_model_server_can_be_read(cluster: Bystander) -> None:
    (pod,) = await cluster.pods()

    logs = await cluster.kubectl("logs", pod["metadata"]["name"])

    assert logs.code == 0, logs.errors
    assert logs.output.strip()


async def test_one_pool_was_requested_once(cluster: Bystander) -> None:
    puts = [each for each in await cluster.journal() if each["method"] == "PUT"]

    assert [each["status"] for each in puts] == [201]


@pytest.mark.parametrize(
    "path",
    [
        "/apis/kaito.sh/v1alpha1/workspaces",
        "/apis/karpenter.sh/v1alpha5/machines",
        "/apis/apps/v1/namespaces/default/deployments",
    ],
)
async def test_a_quiet_cluster_gets_no_writes(cluster: Bystander, path: str) -> None:
    assert await cluster.changes(path, seconds=3) == []


async def test_a_service_that_lives_becomes_a_load_balancer_and_an_inner_one_again(
    cluster: Bystander,
) -> None:
    path = f"/api/v1/namespaces/default/services/{WORKSPACE}"
    before = await cluster.get(path)

    async def is_of(type_: str) -> bool:
        return bool((await cluster.get(path))["spec"]["type"] == type_)

    for change, type_ in (
        ("kaito.sh/enablelb=True", "LoadBalancer"),
        ("kaito.sh/enablelb-", "ClusterIP"),
    ):
        annotated = await cluster.kubectl("annotate", "workspace", WORKSPACE, change)
        assert annotated.code == 0, annotated.errors
        assert await until(f"a {type_}", partial(is_of, type_))

    after = await cluster.get(path)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]


async def test_deletion_gives_everything_back(cluster: Bystander) -> None:
    deleted = await cluster.kubectl("delete", "workspace", WORKSPACE, "--timeout=180s")

    assert deleted.code == 0, deleted.errors
    assert await cluster.workspace() is None
    assert await cluster.machines() == []
    assert await cluster.pools() == []
    assert await until("nodes to be gone", lambda: gone(cluster))


async def gone(cluster: Bystander) -> bool:
    """Whether nothing is left of the workspace, and the system node stands."""
    (*others, system) = await cluster.items("/api/v1/nodes")
    return not others and holds(system, "Ready") and not await cluster.pods()
