"""The real SDK and the real credential against the ARM server, over TLS."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from azure.mgmt.containerservice.aio import ContainerServiceClient

from provisioner.azure.client import API_VERSION, AksCloud
from provisioner.cloud import Instance, InstanceSpec, InstanceState
from provisioner.controllers.machine.kinds import MACHINE
from provisioner.controllers.machine.order import order
from provisioner.failures import (
    BadRequest,
    CapacityUnavailable,
    CloudDenied,
    CloudThrottled,
    CloudUnavailable,
    ClusterMissing,
    InstanceExists,
    OperationInProgress,
    QuotaExceeded,
    SkuUnavailable,
)
from provisioner.turns import Turns
from tests.unit.cluster.arm.conftest import Credentials, Server, credentials, server
from tests.unit.provisioner.aks import aks
from tests.unit.provisioner.builders import BORN, NAME, claim

__all__ = ["credentials", "server"]


@pytest.fixture
async def cloud(server: Server, tmp_path: Path) -> AsyncIterator[AksCloud]:
    made = aks(server, tmp_path / "token")
    yield made
    await made.close()


def spec(name: str = NAME) -> InstanceSpec:
    return replace(order(MACHINE, claim(MACHINE), now=BORN), name=name)


async def found(cloud: AksCloud, name: str = NAME) -> Instance | None:
    return {each.name: each for each in await cloud.instances()}.get(name)


async def until(
    cloud: AksCloud, wanted: Callable[[Instance | None], bool], name: str = NAME
) -> Instance | None:
    async with asyncio.timeout(30):
        while True:
            seen = await found(cloud, name)
            if wanted(seen):
                return seen
            await asyncio.sleep(0.02)


async def puts(server: Server) -> list[dict[str, object]]:
    return [each for each in await server.requests() if each["method"] == "PUT"]


async def test_a_launched_instance_is_seen_with_its_owner_and_given_back(
    server: Server, cloud: AksCloud
) -> None:
    wanted = spec()
    await cloud.launch(wanted)

    running = await until(cloud, lambda each: bool(each and each.state is InstanceState.RUNNING))
    assert running is not None
    assert running.owner == wanted.owner
    assert running.created == wanted.created
    assert running.labels["kaito.sh/workspace"] == "phi"

    await cloud.terminate(NAME)
    await until(cloud, lambda each: each is None)
    await cloud.terminate(NAME)


async def test_a_second_launch_of_one_name_changes_nothing(server: Server, cloud: AksCloud) -> None:
    await cloud.launch(spec())
    with pytest.raises((InstanceExists, OperationInProgress)):
        await cloud.launch(spec())

    await until(cloud, lambda each: bool(each and each.state is InstanceState.RUNNING))
    with pytest.raises(InstanceExists):
        await cloud.launch(spec())

    accepted = [each for each in await puts(server) if each["status"] == 201]
    assert len(accepted) == 1


async def test_every_page_of_the_list_is_read(cloud: AksCloud) -> None:
    names = [f"pool{number}" for number in range(7)]
    for name in names:
        await cloud.launch(spec(name))

    seen = [each.name for each in await cloud.instances()]

    assert set(names) < set(seen)
    assert len(seen) == len(names) + 1


async def test_lists_and_launches_speak_the_version_that_the_sdk_is_made_for(
    server: Server, cloud: AksCloud
) -> None:
    await cloud.launch(spec())
    await cloud.instances()

    spoken = {
        str(each["apiVersion"])
        for each in await server.requests()
        if each["operation"] in {"PUT", "LIST"}
    }
    assert spoken == {API_VERSION}
    assert f'"{API_VERSION}"' in (inspect.getdoc(ContainerServiceClient) or "")


async def test_a_list_goes_on_at_the_page_that_was_throttled(
    server: Server, cloud: AksCloud
) -> None:
    seconds = count(0, 10)
    cloud.turns = Turns(lambda: next(seconds))
    names = {f"pool{number}" for number in range(7)}
    for name in names:
        await cloud.launch(spec(name))
    await server.play({"match": {"operation": "LIST"}, "fault": "throttle", "after": 1, "times": 2})

    seen = {each.name for each in await cloud.instances()}

    assert seen == names | {"system"}
    lists = [each["status"] for each in await server.requests() if each["operation"] == "LIST"]
    assert lists == [200, 429, 429, 200, 200]


async def test_a_long_pause_is_told_and_not_waited_for(server: Server, cloud: AksCloud) -> None:
    await server.play({"match": {"operation": "PUT"}, "fault": "throttle", "retryAfterSeconds": 60})
    with pytest.raises(CloudThrottled):
        await cloud.launch(spec())

    with pytest.raises(CloudThrottled, match=r"6[56] s are left") as caught:
        await cloud.instances()

    assert 60 < caught.value.retry_after_seconds <= 66
    assert "LIST" not in [each["operation"] for each in await server.requests()]


FAULTS = [
    ("quota", QuotaExceeded),
    ("sku", SkuUnavailable),
    ("conflict", OperationInProgress),
    ("throttle", CloudThrottled),
    ("denied", CloudDenied),
    ("unavailable", CloudUnavailable),
    ("cluster-missing", ClusterMissing),
]


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[name for name, _ in FAULTS])
async def test_a_fault_has_its_class_and_is_asked_for_once(
    server: Server, cloud: AksCloud, fault: str, expected: type[Exception]
) -> None:
    await server.play({"match": {"operation": "PUT"}, "fault": fault})

    with pytest.raises(expected):
        await cloud.launch(spec())

    assert len(await puts(server)) == 1
    assert await found(cloud) is None


async def test_a_resource_provider_is_never_registered_on_our_own(
    server: Server, cloud: AksCloud
) -> None:
    said = "The subscription is not registered to use namespace 'Microsoft.ContainerService'."
    words = {"code": "MissingSubscriptionRegistration", "message": said, "atFrontDoor": True}
    await server.play(
        {"match": {"operation": "PUT|LIST"}, "fault": "refuse", "status": 409, **words}
    )

    with pytest.raises(ClusterMissing, match="is not registered"):
        await cloud.launch(spec())
    with pytest.raises(ClusterMissing, match="is not registered"):
        await cloud.instances()

    asked = [each["method"] for each in await server.requests() if each["status"] == 409]
    assert asked == ["PUT", "GET"]
    assert "register" not in str(await server.requests())


async def test_throttling_carries_the_wait_that_arm_asked_for(
    server: Server, cloud: AksCloud
) -> None:
    rule = {"match": {"operation": "LIST"}, "fault": "throttle", "retryAfterSeconds": 17}
    await server.play(rule)

    with pytest.raises(CloudThrottled) as caught:
        await cloud.instances()

    assert caught.value.retry_after_seconds == 17


async def test_a_failed_allocation_is_told_by_the_list(server: Server, cloud: AksCloud) -> None:
    await server.play({"match": {"pool": NAME}, "fault": "allocation"})
    await cloud.launch(spec())

    failed = await until(cloud, lambda each: bool(each and each.state is InstanceState.FAILED))

    assert failed is not None
    assert isinstance(failed.failure, CapacityUnavailable)


async def test_a_dropped_connection_is_the_clouds_own_trouble(
    server: Server, cloud: AksCloud
) -> None:
    await server.play({"match": {"operation": "LIST"}, "fault": "drop"})

    with pytest.raises(CloudUnavailable):
        await cloud.instances()


async def test_a_write_whose_connection_breaks_is_sent_once(
    server: Server, cloud: AksCloud
) -> None:
    await cloud.launch(spec("other"))
    await until(cloud, lambda each: bool(each and each.state is InstanceState.RUNNING), "other")
    await server.play({"match": {"operation": "PUT|DELETE"}, "fault": "drop"})

    with pytest.raises(CloudUnavailable):
        await cloud.launch(spec())
    with pytest.raises(CloudUnavailable):
        await cloud.terminate("other")

    broken = [each["operation"] for each in await server.requests() if each["status"] == 0]
    assert broken == ["PUT", "DELETE"]


async def test_a_cluster_that_is_not_there_is_not_an_empty_one(
    server: Server, tmp_path: Path
) -> None:
    cloud = aks(server, tmp_path / "token", cluster="elsewhere")
    try:
        with pytest.raises(ClusterMissing):
            await cloud.instances()
        with pytest.raises(ClusterMissing):
            await cloud.terminate(NAME)
    finally:
        await cloud.close()


@pytest.mark.parametrize("subject", ["system:serviceaccount:default:default"])
async def test_a_token_of_somebody_else_is_denied(
    server: Server, tmp_path: Path, credentials: Credentials, subject: str
) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_text(credentials.assertion(sub=subject))
    cloud = aks(server, foreign)
    try:
        with pytest.raises(CloudDenied, match="AADSTS700213"):
            await cloud.instances()
    finally:
        await cloud.close()


async def test_a_token_file_that_is_not_there_is_denied_with_its_path(
    server: Server, tmp_path: Path
) -> None:
    cloud = aks(server, tmp_path / "nowhere")
    try:
        with pytest.raises(CloudDenied, match="nowhere"):
            await cloud.instances()
    finally:
        await cloud.close()


async def test_what_azure_would_refuse_is_not_sent(server: Server, cloud: AksCloud) -> None:
    with pytest.raises(BadRequest):
        await cloud.launch(replace(spec(), disk_gib=5000))

    assert await puts(server) == []
