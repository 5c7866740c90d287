"""The real Azure client and credential, over TLS, against the server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.mgmt.containerservice.models import AgentPool

from tests.unit.cluster.arm.agentpool import GPU, PLACE, body, created
from tests.unit.cluster.arm.conftest import Server, client, identity


def properties(pool: AgentPool) -> Any:
    """The properties of a pool, under the SDK's names."""
    assert pool.properties is not None
    return pool.properties


async def test_a_pool_is_created_polled_read_and_deleted(server: Server) -> None:
    pools = server.azure.agent_pools
    await server.play({"fault": "stuck-creating", "seconds": 0.5})

    poller = await pools.begin_create_or_update(*PLACE, "ws1", body())
    at_once = await pools.get(*PLACE, "ws1")
    done = await poller.result()
    await (await pools.begin_delete(*PLACE, "ws1")).result()

    assert properties(at_once).provisioning_state == "Creating"
    assert properties(done).provisioning_state == "Succeeded"
    assert properties(done).node_labels == {"kaito.sh/workspace": "phi"}
    assert "/resourcegroups/kaito-local/" in str(done.id)
    with pytest.raises(ResourceNotFoundError) as gone:
        await pools.get(*PLACE, "ws1")
    assert gone.value.error is not None
    assert gone.value.error.code == "NotFound"


async def test_deleting_a_pool_that_is_not_there_succeeds(server: Server) -> None:
    await (await server.azure.agent_pools.begin_delete(*PLACE, "never")).result()

    assert (await server.requests())[-1]["status"] == 204


async def test_a_list_follows_its_next_links(server: Server) -> None:
    for number in range(7):
        await created(server.azure, f"ws{number}")

    names = [pool.name async for pool in server.azure.agent_pools.list(*PLACE)]

    assert names == ["system", *(f"ws{number}" for number in range(7))]
    lists = [entry for entry in await server.requests() if entry["operation"] == "LIST"]
    assert len(lists) == 3


async def test_the_system_pool_is_there_and_stays(server: Server) -> None:
    system = await server.azure.agent_pools.get(*PLACE, "system")
    with pytest.raises(HttpResponseError) as refused:
        await server.azure.agent_pools.begin_delete(*PLACE, "system")

    assert properties(system).mode == "System"
    assert properties(system).vm_size == "Standard_D4s_v5"
    assert refused.value.status_code == 400


async def test_a_pool_in_an_operation_refuses_a_second_one(server: Server) -> None:
    await server.play({"fault": "stuck-creating"})
    pools = server.azure.agent_pools
    await pools.begin_create_or_update(*PLACE, "ws1", body(), polling=False)

    with pytest.raises(ResourceExistsError) as put:
        await pools.begin_create_or_update(*PLACE, "ws1", body())
    with pytest.raises(ResourceExistsError) as delete:
        await pools.begin_delete(*PLACE, "ws1")

    for refused in (put, delete):
        assert refused.value.status_code == 409
        assert refused.value.error is not None
        assert refused.value.error.code == "OperationNotAllowed"


async def test_a_stuck_creation_can_be_aborted_and_deleted(server: Server) -> None:
    await server.play({"fault": "stuck-creating"})
    pools = server.azure.agent_pools
    await pools.begin_create_or_update(*PLACE, "ws1", body(), polling=False)

    await (await pools.begin_abort_latest_operation(*PLACE, "ws1")).result()
    aborted = await pools.get(*PLACE, "ws1")
    await (await pools.begin_delete(*PLACE, "ws1")).result()

    assert properties(aborted).provisioning_state == "Canceled"
    assert [pool.name async for pool in pools.list(*PLACE)] == ["system"]


async def test_create_only_refuses_a_pool_that_exists(server: Server) -> None:
    await created(server.azure, "ws1")

    with pytest.raises(ResourceExistsError) as refused:
        await server.azure.agent_pools.begin_create_or_update(
            *PLACE, "ws1", body(), etag="*", match_condition=MatchConditions.IfMissing
        )

    assert refused.value.status_code == 412


async def test_an_old_etag_neither_updates_nor_deletes(server: Server) -> None:
    pools = server.azure.agent_pools
    old = await created(server.azure, "ws1")
    await created(server.azure, "ws1", nodeLabels={"kaito.sh/workspace": "other"})
    stale = {
        "etag": properties(old).e_tag,
        "match_condition": MatchConditions.IfNotModified,
    }

    with pytest.raises(ResourceModifiedError):
        await pools.begin_create_or_update(*PLACE, "ws1", body(), **stale)
    with pytest.raises(ResourceModifiedError):
        await pools.begin_delete(*PLACE, "ws1", **stale)
    stale["etag"] = properties(await pools.get(*PLACE, "ws1")).e_tag
    await (await pools.begin_delete(*PLACE, "ws1", **stale)).result()

    assert [entry.get("errorCode") for entry in await server.requests()].count("EtagMismatch") == 2


async def test_the_size_of_a_pool_cannot_change(server: Server) -> None:
    await created(server.azure, "ws1")

    with pytest.raises(HttpResponseError) as refused:
        await created(server.azure, "ws1", vmSize="Standard_NC6s_v3")

    assert refused.value.error is not None
    assert refused.value.error.code == "PropertyChangeNotAllowed"


async def test_quota_is_refused_with_the_numbers(server: Server) -> None:
    await server.play(quotas={"standardNCSv3Family": 18})
    await created(server.azure, "ws1")

    with pytest.raises(HttpResponseError) as refused:
        await created(server.azure, "ws2")

    assert refused.value.error is not None
    assert refused.value.error.code == "ErrCode_InsufficientVCPUQuota"
    words = "requested 12, remaining 6 for family standardNCSv3Family for region local"
    assert words in str(refused.value.error.message)


async def test_a_scripted_quota_is_refused_as_often_as_asked(server: Server) -> None:
    await server.play({"fault": "quota", "match": {"pool": "ws.*"}, "times": 1})

    with pytest.raises(HttpResponseError) as refused:
        await created(server.azure, "ws1")
    pool = await created(server.azure, "ws1")

    assert refused.value.status_code == 400
    assert properties(pool).provisioning_state == "Succeeded"


async def test_a_failed_allocation_is_told_with_status_200(server: Server) -> None:
    await server.play({"fault": "allocation", "code": "ZonalAllocationFailed"})

    with pytest.raises(HttpResponseError) as failed:
        await created(server.azure, "ws1")
    pool = await server.azure.agent_pools.get(*PLACE, "ws1")

    assert failed.value.status_code == 200
    assert failed.value.error is not None
    assert failed.value.error.code == "ZonalAllocationFailed"
    assert properties(pool).provisioning_state == "Failed"
    told = properties(pool).status.provisioning_error
    assert told["code"] == "ZonalAllocationFailed"


async def test_a_size_that_is_not_sold_is_refused(server: Server) -> None:
    await server.play({"fault": "sku", "times": 1})

    for vm_size in (GPU, "Standard_NC9000"):
        with pytest.raises(HttpResponseError) as refused:
            await created(server.azure, "ws1", vmSize=vm_size)
        assert refused.value.error is not None
        assert refused.value.error.code == "BadRequest"
        words = f"The VM size of {vm_size} is not allowed in your subscription in location 'local'"
        assert words in str(refused.value.error.message)


async def test_throttling_says_how_long_to_wait(server: Server) -> None:
    await server.play({"fault": "throttle", "retryAfterSeconds": 7, "times": 1})

    with pytest.raises(HttpResponseError) as refused:
        await server.azure.agent_pools.get(*PLACE, "system")

    assert refused.value.status_code == 429
    headers = getattr(refused.value.response, "headers", {})
    assert headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("conflict", 409, "OperationNotAllowed"),
        ("denied", 403, "AuthorizationFailed"),
        ("unavailable", 503, "ServiceUnavailable"),
        ("cluster-missing", 404, "ResourceNotFound"),
    ],
)
async def test_a_scripted_fault_has_the_code_of_the_wire(
    server: Server, fault: str, status: int, code: str
) -> None:
    await server.play({"fault": fault, "match": {"operation": "LIST|GET"}})

    with pytest.raises(HttpResponseError) as refused:
        await server.azure.agent_pools.get(*PLACE, "system")

    assert refused.value.status_code == status
    assert refused.value.error is not None
    assert refused.value.error.code == code
    entry = (await server.requests())[-1]
    assert (entry["status"], entry["errorCode"], entry["fault"]) == (status, code, fault)


@pytest.mark.parametrize("at_front_door", [True, False], ids=["front door", "provider"])
async def test_a_refusal_can_be_spelt_out(server: Server, *, at_front_door: bool) -> None:
    cause = {"code": "QuotaExceeded", "message": "No cores are left."}
    words = {"status": 403, "code": "Because", "message": "No.", "causes": [cause]}
    await server.play({"fault": "refuse", "atFrontDoor": at_front_door, **words})

    with pytest.raises(HttpResponseError) as refused:
        await server.azure.agent_pools.get(*PLACE, "system")

    told = json.loads(refused.value.response.text()) if refused.value.response else {}
    error = told["error"] if at_front_door else told
    assert refused.value.status_code == 403
    assert (error["code"], error["message"], error["details"]) == ("Because", "No.", [cause])


async def test_an_answer_can_be_lost_after_it_took_effect(server: Server) -> None:
    rule = {"fault": "drop", "takesEffect": True, "times": 1, "match": {"operation": "DELETE"}}
    await created(server.azure, "ws1")
    await server.play(rule, {"fault": "drop", "match": {"operation": "DELETE"}})

    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        await server.azure.agent_pools.begin_delete(*PLACE, "ws1", polling=False)

    entries = [entry for entry in await server.requests() if entry["operation"] == "DELETE"]
    assert {entry["status"] for entry in entries} == {0}
    assert entries[0]["operationId"]


async def test_a_cluster_that_is_not_ours_is_not_found(server: Server) -> None:
    codes = []
    for place in (("kaito-local", "other"), ("other", "kaito-local")):
        with pytest.raises(ResourceNotFoundError) as missing:
            await server.azure.agent_pools.get(*place, "system")
        assert missing.value.error is not None
        codes.append(missing.value.error.code)

    assert codes == ["ResourceNotFound", "ResourceGroupNotFound"]


async def test_a_wrong_subject_gets_no_token(server: Server) -> None:
    token_file = server.home / "other"
    subject = "system:serviceaccount:default:default"
    token_file.write_text(server.credentials.assertion(sub=subject))

    async with (
        identity(server.url, server.credentials, token_file) as credential,
        client(server.url, server.credentials, credential) as azure,
    ):
        with pytest.raises(ClientAuthenticationError, match="AADSTS700213"):
            await azure.agent_pools.get(*PLACE, "system")

    assert [entry["operation"] for entry in await server.requests()] == ["SIGN_IN"]
