"""A type that cannot be had, a node that is lost: another follows, and nothing stays behind."""

from __future__ import annotations

import pytest

from tests.bystander import Bystander, Json, holds, quick_start, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

NAME = "choosy"
WITHOUT_QUOTA, AT_HAND = "Standard_NC6s_v3", "Standard_NC4as_T4_v3"


async def answering(cluster: Bystander) -> Json:
    """The workspace once it is ready, None until then."""
    found = await cluster.workspace(NAME)
    return found if holds(found, "Ready") else None


async def test_the_next_type_is_bought_where_the_first_has_no_quota(cluster: Bystander) -> None:
    rule = {"match": {"operation": "PUT", "vmSize": WITHOUT_QUOTA}, "fault": "quota"}
    await cluster.play(rule)
    resource = {
        "instanceTypes": [WITHOUT_QUOTA, AT_HAND],
        "labelSelector": {"matchLabels": {"apps": NAME}},
    }
    applied = await cluster.kubectl("apply", "-f", "-", stdin=quick_start(NAME, resource=resource))
    assert applied.code == 0, applied.errors

    found = await until("an answer from the second type", lambda: answering(cluster))

    (attempt,) = found["status"]["attempts"]
    assert attempt["instanceType"] == WITHOUT_QUOTA
    assert attempt["reason"] == "QuotaExceeded"
    assert found["status"]["instanceType"] == AT_HAND
    (pool,) = await cluster.pools()
    assert pool["vmSize"] == AT_HAND
    assert (await cluster.chat({"prompt": "What is KAITO?"}, NAME))[0] == 200


async def test_a_claim_that_somebody_deletes_is_followed_by_another(cluster: Bystander) -> None:
    (lost,) = await cluster.machines(NAME)
    deleted = await cluster.kubectl("delete", "machine", lost["metadata"]["name"], "--wait=false")
    assert deleted.code == 0, deleted.errors

    async def replaced() -> bool:
        uids = [claim["metadata"]["uid"] for claim in await cluster.machines(NAME)]
        return (
            len(uids) == 1 and uids != [lost["metadata"]["uid"]] and bool(await answering(cluster))
        )

    assert await until("another node", replaced)
    (claim,) = await cluster.machines(NAME)
    assert claim["metadata"]["name"] != lost["metadata"]["name"]
    assert len(await cluster.pools()) == 1


async def test_nothing_stays_behind(cluster: Bystander) -> None:
    deleted = await cluster.kubectl("delete", "workspace", NAME, "--timeout=180s")

    assert deleted.code == 0, deleted.errors
    assert await cluster.machines(NAME) == []
    assert await cluster.pools() == []
    await cluster.play()
