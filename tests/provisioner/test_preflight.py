"""What cannot succeed is said before ARM is asked for a pool."""

from __future__ import annotations

import pytest

from tests.bystander import holds
from tests.claims import KINDS, MACHINE, Kind
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

QUOTAS = {"standardNCSv3Family": 4, "cores": 20}
"""vCPUs; the system pool uses 4 of all."""

RESTRICTED = {"fault": "sku", "match": {"vmSize": "Standard_NV12s_v3"}}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_a_claim_that_cannot_succeed_says_so_and_asks_for_no_pool(
    stack: Stack, kind: Kind
) -> None:
    expected = {
        "poor": (
            "Standard_NC6s_v3",
            "QuotaExceeded",
            (
                "requested 6",
                "remaining 4",
                "family standardNCSv3Family",
                "in use 0 of 4",
                "Ask for more vCPU quota",
            ),
        ),
        "crowded": (
            "Standard_NC24ads_A100_v4",
            "QuotaExceeded",
            ("requested 24", "remaining 16", "family cores", "in use 4 of 20"),
        ),
        "restricted": (
            "Standard_NV12s_v3",
            "SkuUnavailable",
            (
                "Standard_NV12s_v3 is not available in region local: NotAvailableForSubscription",
                "Choose an instance type that is sold to this subscription",
            ),
        ),
        "unsold": (
            "Standard_NC9000",
            "SkuUnavailable",
            ("Standard_NC9000 is not sold in region local",),
        ),
    }
    stack.play(RESTRICTED, quotas=QUOTAS)
    await stack.start()
    claims = [kind.claim(name, vm_size=size) for name, (size, _, _) in expected.items()]
    await stack.apply(*claims)

    for name, (_, reason, words) in expected.items():
        told = await stack.until_told(kind, name, "Launched", reason)
        assert told["status"] == "False"
        assert [each for each in words if each not in told["message"]] == []
        assert await stack.asked("PUT", name) == []
    await stack.delete(*claims)


async def test_who_may_not_read_the_lists_is_not_kept_from_buying(stack: Stack) -> None:
    stack.play({"fault": "denied", "match": {"operation": "SKUS|USAGES"}}, quotas=QUOTAS)
    await stack.start()
    await stack.apply(MACHINE.claim("unread", vm_size="Standard_NC4as_T4_v3"))

    await stack.until_ready((MACHINE, "unread"))

    assert holds(await stack.claim(MACHINE, "unread"), "MachineLaunched")
    assert [each["status"] for each in await stack.asked("PUT", "unread")] == [201]
    await stack.delete(MACHINE.claim("unread"))
