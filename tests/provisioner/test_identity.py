"""A cloud that does not accept us: told in /readyz and in claims, and never a crash."""

from __future__ import annotations

import pytest

from tests.bystander import until
from tests.claims import MACHINE, NODE_CLAIM
from tests.provisioner.stack import Stack, token_file

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

REFUSALS = {
    "SIGN_IN": ("denied", "CloudDenied", "Check the federated credential"),
    "LIST": ("cluster-missing", "ClusterMissing", "Check ARM_SUBSCRIPTION_ID"),
}


@pytest.mark.parametrize("operation", REFUSALS)
async def test_a_refused_identity_is_told_and_got_over(stack: Stack, operation: str) -> None:
    fault, reason, remedy = REFUSALS[operation]
    name = f"early{operation[:4].lower()}".replace("_", "")
    stack.play({"fault": fault, "match": {"operation": operation}})
    await stack.start()
    claim = NODE_CLAIM.claim(name)
    await stack.apply(claim)

    told = await stack.until_told(NODE_CLAIM, name, "Launched", reason)
    status, said = await stack.readiness()
    pid = stack.process.pid if stack.process else 0
    stack.play()
    await stack.until_ready((NODE_CLAIM, name))

    assert status == 503
    assert remedy in said
    assert remedy in told["message"]
    assert (await stack.readiness())[0] == 200
    assert stack.process
    assert stack.process.pid == pid
    assert stack.process.exit_code is None
    assert [each["status"] for each in await stack.asked("PUT", name)] == [201]
    await stack.delete(claim)


async def test_a_token_that_is_not_there_is_told_by_its_path_and_read_when_it_comes(
    stack: Stack,
) -> None:
    path = token_file(stack.layout)
    token = path.read_text()
    path.unlink()
    await stack.start()
    await stack.apply(MACHINE.claim("tokenless"))

    async def unready() -> str:
        status, said = await stack.readiness()
        return said if status == 503 and str(path) in said else ""

    said = await until("the path", unready)
    # In one step, as the kubelet does it: half a token is another story.
    path.with_suffix(".new").write_text(token)
    path.with_suffix(".new").replace(path)
    await stack.until_ready((MACHINE, "tokenless"))

    assert "The federated token cannot be read: No such file" in said
    await stack.delete(MACHINE.claim("tokenless"))
