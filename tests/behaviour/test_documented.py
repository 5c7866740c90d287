"""Every inference that upstream documents, up to Ready, on infrastructure that answers at once.

On upstream's images, so that each fits where its documentation puts it; what those images run is
what its documentation says of each model. Those that the tiny model stands in for answer as well,
in test_examples.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from hack.benchmarks.scale.programs import controlling
from kaito.kube.client import Client
from tests import realserver
from tests.behaviour.instant import instant
from tests.bystander import holds, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

EXAMPLES = {
    path.stem.removeprefix("inference-"): yaml.safe_load(path.read_text())
    for path in sorted(Path("tests/admission/examples").glob("inference-*.yaml"))
}
GPUS = {
    "Standard_NC6s_v3": 1,
    "Standard_NC12s_v3": 2,
    "Standard_NC24ads_A100_v4": 1,
    "Standard_NC96ads_A100_v4": 4,
}
OWN, OWN_NODE, TEMPLATE = "preferred-nodes", "gpu-node-1", "template"
SPREAD = ("llama-2-70b", "llama-2-70b-chat")
"""Those that two nodes serve together."""
COPIES = ("llama-2-13b", "llama-2-13b-chat")
"""Those of which each of two nodes has a copy: it fits on one, whatever upstream does."""
TAGS = {
    "falcon-7b": "0.0.5",
    "falcon-40b": "0.0.6",
    "mistral-": "0.0.6",
    "phi-2": "0.0.4",
    "phi-3-": "0.0.1",
}
LAUNCHED = (
    "accelerate launch",
    *("--num_processes=1", "--num_machines=1", "--machine_rank=0", "--gpu_ids=all"),
    *("inference_api.py", "--pipeline=text-generation"),
)
LLAMA = ("torchrun", "--rdzv_backend=c10d", "--max_seq_len=512", "--max_batch_size=8")
PROCESSES = {
    "llama-2-7b": ("--nnodes=1", "--nproc_per_node=1"),
    "llama-2-13b": ("--nnodes=1", "--nproc_per_node=2"),
    "llama-2-70b": ("--nnodes=2", "--nproc_per_node=4", "--node_rank=$(POD_INDEX)"),
}
READY = ("Ready", "ResourceReady", "InferenceReady", "WorkspaceSucceeded")
LIMIT_SECONDS = 180.0

Json = Any


@dataclass(frozen=True)
class Documented:
    """All of them, Ready, each in a namespace of its own name.

    Attributes:
        client: of the administrator.
        ready: the Workspaces by example.
    """

    client: Client
    ready: Mapping[str, Json]

    async def items(self, path: str) -> list[Json]:
        """What is under a path of the API."""
        found: Json = await self.client.request("GET", path)
        return list(found["items"])

    async def workload(self, example: str) -> Json:
        """The only workload of an example; it has its kind in it."""
        kinds = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
        found = [
            {**each, "kind": kind}
            for kind, plural in kinds.items()
            for each in await self.items(f"/apis/apps/v1/namespaces/{example}/{plural}")
        ]
        (only,) = found
        return only


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def documented() -> AsyncIterator[Documented]:
    """All examples as somebody has applied them, once they are Ready."""
    async with realserver.serving(cached=True) as layout:
        client = await realserver.connect(layout, "user")
        try:
            async with (
                instant(client, GPUS) as infrastructure,
                controlling(layout, KAITO_PRESET_IMAGES="upstream"),
            ):
                own = EXAMPLES[OWN]["resource"]
                labels = own["labelSelector"]["matchLabels"]
                await infrastructure.node(OWN_NODE, own["instanceType"], labels)
                for example, wire in EXAMPLES.items():
                    await apply(client, example, wire)
                yield Documented(client, await all_ready(client))
        finally:
            await client.close()


async def apply(client: Client, example: str, wire: Json) -> None:
    """Create an example in a namespace that has what the controller manager puts there."""
    namespace = {"metadata": {"name": example}}
    await client.request("POST", "/api/v1/namespaces", body=namespace)
    account = {"metadata": {"name": "default"}}
    within = f"namespaces/{example}"
    await client.request("POST", f"/api/v1/{within}/serviceaccounts", body=account)
    await client.request("POST", f"/apis/kaito.sh/v1alpha1/{within}/workspaces", body=wire)


async def all_ready(client: Client) -> Mapping[str, Json]:
    """All Workspaces by example, once each is Ready."""

    async def found() -> Mapping[str, Json]:
        items: Json = await client.request("GET", "/apis/kaito.sh/v1alpha1/workspaces")
        ready = {
            each["metadata"]["namespace"]: each for each in items["items"] if holds(each, "Ready")
        }
        return ready if ready.keys() == EXAMPLES.keys() else {}

    return await until("all to be ready", found, limit_seconds=LIMIT_SECONDS)


async def test_none_is_left_out(documented: Documented) -> None:
    assert len(EXAMPLES) > 20
    told = {
        name: [holds(found, each) for each in READY] for name, found in documented.ready.items()
    }
    assert told == dict.fromkeys(EXAMPLES, [True] * len(READY))


async def test_each_has_as_many_nodes_as_it_asks_for_and_a_preferred_one_saves_a_machine(
    documented: Documented,
) -> None:
    asked = {name: wire["resource"].get("count", 1) for name, wire in EXAMPLES.items()}
    nodes = {name: found["status"]["workerNodes"] for name, found in documented.ready.items()}
    machines = await documented.items("/apis/karpenter.sh/v1alpha5/machines")

    assert {name: len(found) for name, found in nodes.items()} == asked
    assert {name for name, count in asked.items() if count == 2} == {*SPREAD, *COPIES}
    assert nodes[OWN] == [OWN_NODE]
    assert len(machines) == sum(asked.values()) - 1


async def test_each_runs_as_the_workload_that_its_model_needs(documented: Documented) -> None:
    for example, wire in EXAMPLES.items():
        found = await documented.workload(example)
        (container,) = found["spec"]["template"]["spec"]["containers"]
        gpus = str(GPUS[wire["resource"]["instanceType"]])

        assert found["kind"] == ("StatefulSet" if example in SPREAD else "Deployment"), example
        assert found["spec"]["replicas"] == wire["resource"].get("count", 1)
        assert container["resources"]["limits"] == {"nvidia.com/gpu": gpus}


async def test_each_runs_the_image_and_the_arguments_of_its_documentation(
    documented: Documented,
) -> None:
    for example, wire in EXAMPLES.items():
        found = await documented.workload(example)
        (container,) = found["spec"]["template"]["spec"]["containers"]
        image, words = wanted(wire)

        assert container["image"] == image, example
        text = " ".join(container["command"])
        assert [each for each in words if each not in text] == [], example
        assert ("--trust_remote_code" in text) == ("phi-3" in image), example


def wanted(wire: Json) -> tuple[str, tuple[str, ...]]:
    """The image of an example, and words of its command line."""
    if template := wire["inference"].get("template"):
        (container,) = template["spec"]["containers"]
        return container["image"], tuple(container["command"])
    preset = wire["inference"]["preset"]
    if preset.get("accessMode") == "private":
        base = preset["name"].removesuffix("-chat")
        return preset["presetOptions"]["image"], (*LLAMA, *PROCESSES[base])
    family = next(family for family in TAGS if preset["name"].startswith(family))
    is_volta = wire["resource"]["instanceType"].endswith("s_v3")
    computed = "float16" if is_volta or family == "phi-2" else "bfloat16"
    return f"kaito-{preset['name']}:{TAGS[family]}", (*LAUNCHED, f"--torch_dtype={computed}")


async def test_each_model_has_its_service_and_a_template_none(documented: Documented) -> None:
    found = await documented.items("/api/v1/services")
    ports = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): [
            (port["port"], port["targetPort"]) for port in each["spec"]["ports"]
        ]
        for each in found
    }
    for example, wire in EXAMPLES.items():
        served = ports.get((example, wire["metadata"]["name"]), [])
        assert ((80, 5000) in served) == (example != TEMPLATE), example


async def test_adapters_are_fetched_each_at_its_strength(documented: Documented) -> None:
    for example in ("falcon-7b-with-adapter", "phi-3-mini-with-adapters"):
        found = await documented.workload(example)
        (init,) = found["spec"]["template"]["spec"]["initContainers"]
        items = [
            json.loads(each.partition("=")[2])
            for each in init["command"]
            if each.startswith("--item=")
        ]

        fetched = [(each["name"], each["image"], each["strength"]) for each in items]
        assert fetched == [
            (each["source"]["name"], each["source"]["image"], float(each["strength"]))
            for each in EXAMPLES[example]["inference"]["adapters"]
        ]
