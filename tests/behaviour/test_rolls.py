"""A change rolls out on one node with one GPU: the old pod goes before the new one can start."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests import rights
from tests.bystander import Bystander, Json, holds, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

NAME = "rolling"
SERVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


BEFORE = ({"name": "PLACE", "value": "here"}, {"name": "OLD", "value": "1"})
AFTER = ({"name": "PLACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},)
"""Variables of a template: one is said in another way then, and one no more."""


def saying(word: str, *variables: Json) -> str:
    """A workspace with a template of the user's own, which takes the node's only GPU."""
    server = {
        "name": "server",
        "image": "local/shell:1",
        "command": ["sh", "-c", SERVER],
        "env": [{"name": "WORD", "value": word}, *variables],
        # The API server stores each of them in another form.
        "resources": {
            "limits": {"nvidia.com/gpu": 1},
            "requests": {"cpu": 0.1, "memory": "1024Mi"},
        },
    }
    return quick_start(NAME, inference={"template": {"spec": {"containers": [server]}}})


def words(pods: Sequence[Json]) -> list[str]:
    """What the template said when each pod was made."""
    return [pod["spec"]["containers"][0]["env"][0]["value"] for pod in pods]


async def serving(cluster: Bystander, word: str) -> list[Json]:
    """The workspace's pods once it and they are ready and of that template, none until then."""
    pods = await cluster.pods(NAME)
    # The status may speak of the pod before, while its successor waits for the node.
    ready = all(holds(one, "Ready") for one in (await cluster.workspace(NAME), *pods))
    return pods if ready and words(pods) == [word] else []


async def test_a_template_runs_on_the_node_that_was_bought(cluster: Bystander) -> None:
    applied = await cluster.kubectl("apply", "-f", "-", stdin=saying("first", *BEFORE))
    assert applied.code == 0, applied.errors

    (pod,) = await until("the first pod", lambda: serving(cluster, "first"))

    (node,) = await cluster.nodes(NAME)
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert pod["spec"]["nodeName"] == node["metadata"]["name"]


async def test_a_change_gets_through_on_the_same_node(cluster: Bystander) -> None:
    (node,) = await cluster.nodes(NAME)
    changed = await cluster.kubectl("apply", "-f", "-", stdin=saying("second", *AFTER))
    assert changed.code == 0, changed.errors

    (pod,) = await until("the second pod", lambda: serving(cluster, "second"))

    assert pod["spec"]["nodeName"] == node["metadata"]["name"]
    assert len(await cluster.machines(NAME)) == 1
    _, place, *more = pod["spec"]["containers"][0]["env"]
    assert (place["name"], "value" in place, more) == ("PLACE", False, [])
    difference = await cluster.kubectl("diff", "-f", "-", stdin=saying("second", *AFTER))
    assert (difference.code, difference.output) == (0, ""), difference.errors


async def test_each_change_is_applied_once(cluster: Bystander) -> None:
    applied = [
        line
        for line in rights.requests(cluster.layout)
        if (line["verb"], line["objectRef"]["resource"]) == ("patch", "deployments")
        if line["responseStatus"]["code"] == 200 and "force=true" in line["requestURI"]
    ]

    assert len(applied) == 1
