"""Each phase has a deadline of its own, which the condition tells; patience is a setting."""

from __future__ import annotations

import pytest

from kaito.kube.kinds import NODES
from kaito.kube.objects import Ref
from tests.bystander import Json, until
from tests.claims import MACHINE, NODE_CLAIM, Kind
from tests.excused import BY_SETTING, OF_A_LATE_CLOUD, OF_BOTH_KINDS
from tests.provisioner.books import accepted
from tests.provisioner.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

SHORT = {
    "PROVISIONER_LAUNCH_DEADLINE_SECONDS": "2",
    "PROVISIONER_REGISTRATION_DEADLINE_SECONDS": "2",
    "PROVISIONER_INITIALIZATION_DEADLINE_SECONDS": "2",
}
"""What takes half an hour and twice a quarter of one, by default."""

SLOW_SECONDS = 9
"""Long enough to be told of, and over when the pool is asked to go again."""
OVERDUE = {
    "slow": ("Launched", "LaunchTimedOut", "is being created, after 2 s"),
    "silent": ("Registered", "RegistrationTimedOut", "has not joined the cluster yet, after 2 s"),
    "blind": ("Initialized", "InitializationTimedOut", "does not report nvidia.com/gpu"),
}
REMEDIES = {
    "slow": "Delete the claim; a new one gets a new pool",
    "silent": "Delete the claim; a new one gets a new pool",
    "blind": "Install the NVIDIA device plugin",
}

KIND = {"slow": MACHINE, "silent": NODE_CLAIM, "blind": MACHINE}
OTHER = {"slow": NODE_CLAIM, "silent": MACHINE, "blind": NODE_CLAIM}


def troubled(stack: Stack) -> None:
    """One pool is slow, one machine never joins, and one shows no GPU."""
    stack.play({"fault": "stuck-creating", "match": {"pool": "slow"}, "seconds": SLOW_SECONDS})
    stack.machines.silent, stack.machines.blind = "silent", "blind"


async def test_what_is_overdue_is_told_and_still_comes_right(stack: Stack) -> None:
    troubled(stack)
    earlier = len(await stack.see.journal())
    await stack.start(**SHORT)
    claims = [kind.claim(name) for name, kind in KIND.items()]
    await stack.apply(*claims)

    for name, (type, reason, words) in OVERDUE.items():
        told = await stack.until_told(KIND[name], name, type, reason)
        assert told["status"] == "False"
        assert words in told["message"]
        assert REMEDIES[name] in told["message"]

    stack.machines.silent = stack.machines.blind = ""
    await stack.machines.look()
    await show_gpu(stack, KIND["blind"], "blind")
    await stack.until_ready(*((kind, name) for name, kind in KIND.items()))
    journal = (await stack.see.journal())[earlier:]
    await stack.delete(*claims)
    assert [len(accepted(journal, "PUT", name)) for name in OVERDUE] == [1] * 3


async def test_what_is_overdue_is_deleted_where_that_is_wished(stack: Stack) -> None:
    troubled(stack)
    earlier = len(await stack.see.journal())
    await stack.start(**SHORT, PROVISIONER_DEADLINE_ACTION="delete")
    await stack.apply(*(kind.claim(name) for name, kind in OTHER.items()))

    async def are_gone() -> bool:
        return not stack.states() and not [
            name for name, kind in OTHER.items() if await stack.claim(kind, name)
        ]

    assert await until("all to be given back", are_gone)
    journal = (await stack.see.journal())[earlier:]
    assert [len(accepted(journal, "PUT", name)) for name in OVERDUE] == [1] * 3
    assert [len(accepted(journal, "DELETE", name)) for name in OVERDUE] == [1] * 3
    assert sorted((BY_SETTING | OF_A_LATE_CLOUD | OF_BOTH_KINDS) - stack.used()) == []


async def show_gpu(stack: Stack, kind: Kind, name: str) -> None:
    """Have the device plugin start on a claim's node."""
    node: Json = (await stack.claim(kind, name))["status"]["nodeName"]
    resources = {"capacity": {"nvidia.com/gpu": "1"}, "allocatable": {"nvidia.com/gpu": "1"}}
    await stack.client.merge_patch(
        NODES, Ref("", node), {"status": resources}, subresource="status"
    )
