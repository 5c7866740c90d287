"""Two workspaces serve at the same time, each on a node and at an address of its own."""

from __future__ import annotations

import pytest

from tests.bystander import Bystander, holds, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

NAMES = ("first", "second")
SECOND = {"preset": {"name": "phi-3-mini-128k-instruct"}}


async def test_both_answer_from_their_own_nodes(cluster: Bystander) -> None:
    texts = (quick_start("first"), quick_start("second", inference=SECOND))
    for text in texts:
        applied = await cluster.kubectl("apply", "-f", "-", stdin=text)
        assert applied.code == 0, applied.errors

    async def both() -> bool:
        return all([holds(await cluster.workspace(name), "Ready") for name in NAMES])

    assert await until("both to be ready", both)
    for name in NAMES:
        status, answer = await cluster.chat({"prompt": "What is KAITO?"}, name)
        assert status == 200, answer
    pods = [pod for name in NAMES for pod in await cluster.pods(name)]
    assert len({pod["status"]["podIP"] for pod in pods}) == 2
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2


async def test_one_is_deleted_and_the_other_goes_on(cluster: Bystander) -> None:
    deleted = await cluster.kubectl("delete", "workspace", "first", "--timeout=180s")
    assert deleted.code == 0, deleted.errors

    status, answer = await cluster.chat({"prompt": "What is KAITO?"}, "second")

    assert status == 200, answer
    assert len(await cluster.pools()) == 1
    assert (await cluster.kubectl("delete", "workspace", "second", "--timeout=180s")).code == 0
    assert await cluster.pools() == []
