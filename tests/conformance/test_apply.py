"""Server-side apply: who owns a field, and what that means for everybody else."""

from __future__ import annotations

from typing import Any

import pytest

from kaito.api.machine import MACHINES
from kaito.kube.client import Client
from kaito.kube.errors import Conflict
from kaito.kube.kinds import LEASES
from kaito.kube.objects import Ref
from tests.conformance.objects import machine, name, settings, wire
from tests.virtual.kinds import CONFIG_MAPS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


def told(name: str, *conditions: tuple[str, str]) -> dict[str, Any]:
    """A Machine's status with these conditions."""
    return {
        "metadata": {"name": name},
        "status": {
            "conditions": [
                {"type": type, "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for type, status in conditions
            ]
        },
    }


async def test_an_apply_creates_and_then_changes(client: Client) -> None:
    ref = Ref("default", name())

    await client.apply(CONFIG_MAPS, settings(ref.name, a="1"))
    await client.apply(CONFIG_MAPS, settings(ref.name, a="2"))

    assert (await wire(client, ref))["data"] == {"a": "2"}


async def test_w1_a_field_that_is_not_applied_again_goes(client: Client) -> None:
    ref = Ref("default", name())

    await client.apply(CONFIG_MAPS, settings(ref.name, a="1", b="2"))
    await client.apply(CONFIG_MAPS, settings(ref.name, a="1"))

    assert (await wire(client, ref))["data"] == {"a": "1"}


async def test_a_field_of_two_owners_stays_until_both_leave_it(
    client: Client, other: Client
) -> None:
    ref = Ref("default", name())
    await client.apply(CONFIG_MAPS, settings(ref.name, a="1", b="2"))
    await other.apply(CONFIG_MAPS, settings(ref.name, b="2"))

    await client.apply(CONFIG_MAPS, settings(ref.name, a="1"))
    with_other = (await wire(client, ref))["data"]
    await other.apply(CONFIG_MAPS, settings(ref.name))

    assert with_other == {"a": "1", "b": "2"}
    assert (await wire(client, ref))["data"] == {"a": "1"}


async def test_w1_a_foreign_field_is_changed_by_force_only(client: Client, other: Client) -> None:
    ref = Ref("default", name())
    await client.apply(CONFIG_MAPS, settings(ref.name, a="1"))

    with pytest.raises(Conflict):
        await other.apply(CONFIG_MAPS, settings(ref.name, a="2"), force=False)
    await other.apply(CONFIG_MAPS, settings(ref.name, a="1"), force=False)
    await other.apply(CONFIG_MAPS, settings(ref.name, a="2"))
    await client.apply(CONFIG_MAPS, settings(ref.name))

    assert (await wire(client, ref))["data"] == {"a": "2"}


async def test_what_a_patch_sets_belongs_to_the_patcher(client: Client, other: Client) -> None:
    ref = Ref("default", name())
    await client.apply(CONFIG_MAPS, settings(ref.name, a="1"))
    await other.merge_patch(CONFIG_MAPS, ref, {"data": {"a": "2", "b": "2"}})

    with pytest.raises(Conflict):
        await client.apply(CONFIG_MAPS, settings(ref.name, a="1"), force=False)
    await client.apply(CONFIG_MAPS, settings(ref.name, c="3"))

    assert (await wire(client, ref))["data"] == {"a": "2", "b": "2", "c": "3"}


async def test_patches_and_applies_of_one_manager_are_two_owners(client: Client) -> None:
    ref = Ref("default", name())
    await client.create(CONFIG_MAPS, settings(ref.name, a="1"))

    await client.apply(CONFIG_MAPS, settings(ref.name, b="2"))
    await client.apply(CONFIG_MAPS, settings(ref.name))

    assert (await wire(client, ref))["data"] == {"a": "1"}


async def test_w1_conditions_are_applied_one_by_one(client: Client, other: Client) -> None:
    made = await client.create(MACHINES, machine(name()))
    path = made.metadata.name

    await client.apply(MACHINES, told(path, ("A", "True"), ("B", "True")), subresource="status")
    await other.apply(MACHINES, told(path, ("C", "True")), subresource="status")
    last = await client.apply(MACHINES, told(path, ("A", "False")), subresource="status")

    assert {each.type: each.status for each in last.status.conditions} == {
        "A": "False",
        "C": "True",
    }
    assert last.metadata.generation == 1


async def test_an_apply_of_the_status_leaves_what_was_applied_to_the_rest(client: Client) -> None:
    labelled = machine(name(), labels={"a": "b"})
    made = await client.apply(MACHINES, labelled)

    await client.apply(MACHINES, told(made.metadata.name, ("A", "True")), subresource="status")
    last = await client.apply(MACHINES, labelled)

    assert last.metadata.labels == {"a": "b"}
    assert [each.type for each in last.status.conditions] == ["A"]


async def test_f3_finalizers_are_a_set(client: Client, other: Client) -> None:
    ref = Ref("", name())
    await client.apply(MACHINES, machine(ref.name, finalizers=["a.io/x"]))
    await other.apply(MACHINES, machine(ref.name, finalizers=["b.io/y"]))

    last = await client.apply(MACHINES, machine(ref.name))
    await client.merge_patch(MACHINES, ref, {"metadata": {"finalizers": None}})

    assert last.metadata.finalizers == ("b.io/y",)


async def test_l4_a_lease_is_replaced_only_over_a_named_version(client: Client) -> None:
    lease = {"metadata": {"name": name(), "namespace": "default"}, "spec": {"holderIdentity": "a"}}
    made = await client.create(LEASES, lease)
    version = {"resourceVersion": made.metadata.resource_version}
    taken = {**lease, "metadata": {**lease["metadata"], **version}, "spec": {}}

    released = await client.replace(LEASES, taken)

    assert released.spec.holder_identity == ""
    with pytest.raises(Conflict):
        await client.replace(LEASES, taken)
