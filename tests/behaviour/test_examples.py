"""Upstream's documented examples, several at once: each answers from a node of its own.

They are those that the tiny model of the local cluster stands in for; test_documented brings every
one to Ready, and tests/admission/test_examples.py applies them in both versions.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.bystander import Bystander, Json, holds, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).parents[1] / "admission" / "examples"
CONVERSING = {
    "inference-phi-3-mini-128k-instruct": "v1alpha1",
    "inference-falcon-7b-instruct": "v1beta1",
    "inference-llama-2-7b-chat": "v1alpha1",
}
"""Those that serve a model, and the version in which each is applied."""
TEMPLATE = "inference-template"
SERVE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]


def wire(example: str, version: str = "v1alpha1") -> Json:
    """An example as somebody applies it."""
    found = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text())
    return {**found, "apiVersion": f"kaito.sh/{version}"}


def filled_in(example: Json) -> Json:
    """An example with an image that can be had here: a shell, or one that needs no secret."""
    if template := example["inference"].get("template"):
        (container,) = template["spec"]["containers"]
        container.update(image="local/shell:1", command=SERVE)
    else:
        example["inference"]["preset"].get("presetOptions", {}).pop("imagePullSecrets", None)
    return example


def named(example: str) -> str:
    """The name of its Workspace."""
    return str(wire(example)["metadata"]["name"])


NAMES = [named(example) for example in (*CONVERSING, TEMPLATE)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(cluster: Bystander) -> AsyncIterator[Bystander]:
    """A cluster to which all of them were applied."""
    for example, version in {**CONVERSING, TEMPLATE: "v1alpha1"}.items():
        text = json.dumps(filled_in(wire(example, version)))
        applied = await cluster.kubectl("apply", "-f", "-", stdin=text)
        assert applied.code == 0, applied.errors
    yield cluster
    deleted = await cluster.kubectl("delete", "workspace", *NAMES[1:], "--timeout=180s")
    assert deleted.code == 0, deleted.errors
    assert await cluster.pools() == []


@pytest.mark.parametrize("name", NAMES)
async def test_an_example_becomes_ready(served: Bystander, name: str) -> None:
    async def is_ready() -> bool:
        return holds(await served.workspace(name), "Ready")

    assert await until(f"{name} to be ready", is_ready)


@pytest.mark.parametrize("name", [named(example) for example in CONVERSING])
async def test_its_model_answers(served: Bystander, name: str) -> None:
    status, answer = await served.chat({"prompt": "What is KAITO?"}, name)

    assert status == 200, answer
    assert answer["Result"]


async def test_each_has_a_node_of_the_type_that_it_names(served: Bystander) -> None:
    wanted = [wire(example)["resource"]["instanceType"] for example in (*CONVERSING, TEMPLATE)]
    label = "node.kubernetes.io/instance-type"
    nodes = [node for name in NAMES for node in await served.nodes(name)]
    assert [node["metadata"]["labels"][label] for node in nodes] == wanted
    pods = [pod for name in NAMES for pod in await served.pods(name)]
    assert [pod["spec"]["nodeName"] for pod in pods] == [node["metadata"]["name"] for node in nodes]


async def test_one_is_deleted_and_the_others_go_on(served: Bystander) -> None:
    deleted = await served.kubectl("delete", "workspace", NAMES[0], "--timeout=180s")
    assert deleted.code == 0, deleted.errors

    status, answer = await served.chat({"prompt": "What is KAITO?"}, NAMES[1])

    assert status == 200, answer
    assert len(await served.pools()) == len(NAMES) - 1
