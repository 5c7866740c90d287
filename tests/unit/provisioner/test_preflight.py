"""A claim that cannot succeed says so before anything is asked of AKS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from hack.cluster import layout
from provisioner.azure.client import AksCloud, Cluster
from provisioner.azure.credentials import Identity, credential
from provisioner.azure.offers import Offer, Usage, objection, offers
from provisioner.azure.preflight import Preflight
from provisioner.cloud import InstanceSpec
from provisioner.controllers.machine.kinds import MACHINE
from provisioner.controllers.machine.order import order
from provisioner.failures import (
    CloudDenied,
    CloudThrottled,
    CloudUnavailable,
    QuotaExceeded,
    SkuUnavailable,
)
from tests.unit.cluster.arm.conftest import Credentials, Server, credentials, server
from tests.unit.provisioner.builders import BORN, SIZE, claim

__all__ = ["Credentials", "credentials", "server"]

FAMILY = "StandardNCADSA100v4Family"


def spec(**changes: Any) -> InstanceSpec:
    return replace(order(MACHINE, claim(MACHINE), now=BORN), **changes)


@pytest.fixture
async def cloud(server: Server, tmp_path: Path) -> AsyncIterator[AksCloud]:
    ca_file = str(server.credentials.folder / "ca.crt")
    who = Identity(layout.TENANT_ID, layout.CLIENT_ID, str(tmp_path / "token"), server.url, ca_file)
    made = AksCloud(
        Cluster(
            layout.SUBSCRIPTION_ID,
            layout.RESOURCE_GROUP,
            layout.CLUSTER_NAME,
            server.url,
            "https://management.azure.com/.default",
            ca_file,
            location=layout.LOCATION,
        ),
        credential(who),
    )
    yield made
    await made.close()


async def operations(server: Server) -> list[object]:
    return [each["operation"] for each in await server.requests()]


async def test_a_launch_that_may_succeed_goes_through_after_two_questions(
    server: Server, cloud: AksCloud
) -> None:
    await cloud.launch(spec())
    await cloud.launch(spec(name="another"))

    asked = [each for each in await operations(server) if each != "SIGN_IN"]
    assert asked == ["SKUS", "USAGES", "PUT", "PUT"]


async def test_an_instance_has_the_cpus_and_gpus_that_the_region_s_list_gives_its_size(
    server: Server, cloud: AksCloud
) -> None:
    before = await cloud.instances()
    await cloud.launch(spec())

    after = {one.name: one.capacity for one in await cloud.instances()}

    assert {one.name: one.capacity for one in before} == {one.name: {} for one in before}
    assert after[spec().name] == {"cpu": "24", "nvidia.com/gpu": "1"}


async def test_a_quota_that_is_spent_is_said_in_numbers_without_a_put(
    server: Server, cloud: AksCloud
) -> None:
    await server.play(quotas={FAMILY: 20})

    with pytest.raises(QuotaExceeded, match=rf"requested 24, remaining 20 for family {FAMILY}"):
        await cloud.launch(spec())

    assert "PUT" not in await operations(server)


async def test_a_size_that_is_restricted_or_unknown_is_said_without_a_put(
    server: Server, cloud: AksCloud
) -> None:
    await server.play({"fault": "sku", "match": {"vmSize": SIZE}})

    with pytest.raises(SkuUnavailable, match="NotAvailableForSubscription"):
        await cloud.launch(spec())
    with pytest.raises(SkuUnavailable, match="not sold in region"):
        await cloud.launch(spec(vm_size="Standard_NX1"))

    assert "PUT" not in await operations(server)


async def test_an_identity_that_may_not_read_the_lists_still_launches(
    server: Server, cloud: AksCloud
) -> None:
    await server.play({"fault": "denied", "match": {"operation": "SKUS"}})

    await cloud.launch(spec())
    await cloud.launch(spec(name="another"))

    assert (await operations(server)).count("SKUS") == 1
    assert (await operations(server)).count("PUT") == 2


async def test_lists_are_kept_for_their_time_and_a_refusal_for_its_own() -> None:
    asked: list[str] = []
    now = [0.0]
    denied = [False]

    async def rows(path: str, params: Mapping[str, str]) -> tuple[object, ...]:
        asked.append(path.rpartition("/")[2])
        if denied[0]:
            raise CloudDenied("AuthorizationFailed", "no")
        return ()

    preflight = Preflight(rows, subscription_id="s", location="here", monotonic=lambda: now[0])
    for now[0] in (0, 19, 21, 3599, 3601):
        await preflight.check(spec())
    assert asked == ["skus", "usages", "usages", "usages", "skus"]

    asked.clear()
    denied[0] = True
    for now[0] in (4000, 4100, 4599, 4601):
        await preflight.check(spec())
    assert asked == ["usages", "usages"]


PAUSES = [
    (CloudThrottled("TooManyRequests", "slow", retry_after_seconds=17), [100, 117, 134]),
    (CloudUnavailable("Timeout", "no answer"), [100, 102, 106]),
    (TimeoutError(), [100, 102, 106]),
    (CloudDenied("AuthorizationFailed", "no"), [100, 700, 1300]),
]


@pytest.mark.parametrize(("failure", "times"), PAUSES, ids=lambda value: type(value).__name__)
async def test_a_list_that_cannot_be_read_is_asked_for_again_when_its_failure_allows(
    failure: Exception, times: list[int]
) -> None:
    asked: list[float] = []
    now = [0.0]

    async def rows(path: str, params: Mapping[str, str]) -> tuple[object, ...]:
        if path.endswith("/skus"):
            return (SOLD,)
        if now[0] < 100:
            return ()
        asked.append(now[0])
        raise failure

    name = "CloudUnavailable" if isinstance(failure, TimeoutError) else type(failure).__name__
    preflight = Preflight(rows, subscription_id="s", location="here", monotonic=lambda: now[0])
    await preflight.check(spec())
    before = skipped(name)
    with capture_logs() as logs:
        for now[0] in range(100, times[-1] + 1):
            await preflight.check(spec())

    assert asked == times
    assert skipped(name) - before == times[-1] + 1 - 100
    assert [each["seconds"] for each in logs][:2] == [
        after - earlier for earlier, after in pairwise(times)
    ]
    with pytest.raises(SkuUnavailable):
        await preflight.check(spec(vm_size="Standard_NX1"))


SOLD = {"resourceType": "virtualMachines", "name": SIZE, "family": FAMILY}


def skipped(reason: str) -> float:
    return REGISTRY.get_sample_value("kaito_preflights_skipped_total", {"reason": reason}) or 0.0


async def test_nothing_is_asked_without_a_region() -> None:
    async def rows(path: str, params: Mapping[str, str]) -> tuple[object, ...]:
        raise AssertionError(path)

    await Preflight(rows, subscription_id="s", location="").check(spec())


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, None),
        ({"zones": ("1",)}, SkuUnavailable),
        ({"zones": ("1", "2")}, None),
        ({"spot": True}, QuotaExceeded),
    ],
    ids=["anywhere", "closed zone", "one open zone", "spot"],
)
def test_zones_and_spot_have_their_own_rules(
    changes: Mapping[str, object], refused: type[Exception] | None
) -> None:
    sold = {SIZE.lower(): Offer(FAMILY, vcpus=24, closed_zones=frozenset({"1"}))}
    quotas = {FAMILY.lower(): Usage(0, 24), "lowprioritycores": Usage(0, 23)}

    found = objection(spec(**changes), sold, quotas, location="here")

    assert (type(found) if found else None) is refused


def test_a_restriction_of_another_region_is_no_restriction() -> None:
    row = {
        "resourceType": "virtualMachines",
        "name": SIZE,
        "family": FAMILY,
        "restrictions": [
            {
                "type": "Location",
                "restrictionInfo": {"locations": ["elsewhere"]},
                "reasonCode": "QuotaId",
            }
        ],
    }

    assert offers([row], location="here")[SIZE.lower()].forbidden == ""
    assert offers([row], location="elsewhere")[SIZE.lower()].forbidden == "QuotaId"
