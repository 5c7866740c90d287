"""Writes: locks, finalizers, generations, subresources, and fields with owners."""

from __future__ import annotations

from uuid import uuid4

import pytest

from kaito.api.machine import MACHINES
from kaito.kube.client import Client
from kaito.kube.errors import AlreadyExists, Conflict, Invalid, KubeError, NotFound
from kaito.kube.objects import Ref
from tests.conformance.objects import machine, name

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def test_a_created_object_has_a_uid_a_version_and_generation_one(client: Client) -> None:
    made = await client.create(MACHINES, machine(name()))

    assert made.metadata.uid
    assert made.metadata.resource_version.isdecimal()
    assert made.metadata.generation == 1
    assert made.metadata.creation_timestamp is not None


async def test_y2_a_second_create_is_refused(client: Client) -> None:
    made = await client.create(MACHINES, machine(name()))

    with pytest.raises(AlreadyExists):
        await client.create(MACHINES, machine(made.metadata.name))


async def test_a_create_with_a_version_is_refused(client: Client) -> None:
    with pytest.raises(KubeError) as refused:
        await client.create(MACHINES, machine(name(), resourceVersion="7"))

    assert refused.value.status in (400, 500)


async def test_a_create_drops_the_status(client: Client) -> None:
    made = await client.create(MACHINES, {**machine(name()), "status": {"nodeName": "n"}})

    assert made.status.node_name == ""


async def test_a_missing_object_is_not_found_by_any_verb(client: Client) -> None:
    ref = Ref("", name())

    assert await client.get(MACHINES, ref) is None
    assert await client.delete(MACHINES, ref) is False
    with pytest.raises(NotFound):
        await client.merge_patch(MACHINES, ref, {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(NotFound):
        await client.apply(MACHINES, machine(ref.name), subresource="status")


async def test_y6_an_apply_of_a_missing_object_with_a_uid_conflicts(client: Client) -> None:
    with pytest.raises(Conflict):
        await client.apply(MACHINES, machine(name(), uid=str(uuid4())))


async def test_a_version_does_not_keep_an_apply_from_creating(client: Client) -> None:
    """Surprising, and the reason why an apply that must not create carries the uid as well."""
    made = await client.apply(MACHINES, machine(name(), resourceVersion="7"))

    assert made.metadata.generation == 1


async def test_w1_y6_a_write_over_another_version_conflicts(client: Client) -> None:
    made = await client.create(MACHINES, machine(name()))
    lock = {"resourceVersion": "1", "labels": {"a": "b"}}

    with pytest.raises(Conflict):
        await client.merge_patch(MACHINES, made.ref, {"metadata": lock})
    with pytest.raises(Conflict):
        await client.apply(MACHINES, machine(made.metadata.name, **lock))
    told = {"metadata": {"name": made.metadata.name, "resourceVersion": "1"}}
    with pytest.raises(Conflict):
        await client.apply(MACHINES, {**told, "status": {"nodeName": "n"}}, subresource="status")


async def test_y6_a_write_of_another_uid_is_invalid(client: Client) -> None:
    made = await client.create(MACHINES, machine(name()))
    lock = {"uid": str(uuid4()), "labels": {"a": "b"}}

    with pytest.raises(Invalid):
        await client.merge_patch(MACHINES, made.ref, {"metadata": lock})
    with pytest.raises(Invalid):
        await client.apply(MACHINES, machine(made.metadata.name, **lock))


async def test_a_uid_does_not_keep_a_status_from_another_object(client: Client) -> None:
    """Surprising, and the reason why a status carries the version that it was decided on."""
    made = await client.create(MACHINES, machine(name()))
    told = {"metadata": {"name": made.metadata.name, "uid": str(uuid4())}}

    written = await client.apply(
        MACHINES, {**told, "status": {"nodeName": "n"}}, subresource="status"
    )

    assert (written.metadata.uid, written.status.node_name) == (made.metadata.uid, "n")


async def test_y6_a_delete_of_another_state_or_object_conflicts(client: Client) -> None:
    made = await client.create(MACHINES, machine(name()))
    path = MACHINES.path(made.ref)

    for precondition in ({"uid": str(uuid4())}, {"resourceVersion": "1"}):
        with pytest.raises(Conflict):
            await client.request("DELETE", path, body={"preconditions": precondition})

    assert await client.get(MACHINES, made.ref) is not None


async def test_w2_a_write_that_changes_nothing_makes_no_version(client: Client) -> None:
    made = await client.create(MACHINES, machine(name(), labels={"a": "b"}))

    merged = await client.merge_patch(MACHINES, made.ref, {"metadata": {"labels": {"a": "b"}}})
    first = await client.apply(MACHINES, machine(made.metadata.name))
    second = await client.apply(MACHINES, machine(made.metadata.name))

    assert merged.metadata.resource_version == made.metadata.resource_version
    assert first.metadata.resource_version == second.metadata.resource_version


async def test_w3_generation_counts_the_spec_and_neither_status_nor_metadata(
    client: Client,
) -> None:
    made = await client.create(MACHINES, machine(name()))
    ref = made.ref

    labelled = await client.merge_patch(MACHINES, ref, {"metadata": {"labels": {"a": "b"}}})
    told = await client.merge_patch(
        MACHINES, ref, {"status": {"nodeName": "n"}}, subresource="status"
    )
    patch = {"spec": {"machineTemplateRef": {"name": "u"}}}
    changed = await client.merge_patch(MACHINES, ref, patch)

    assert (labelled.metadata.generation, told.metadata.generation) == (1, 1)
    assert changed.metadata.generation == 2
    assert changed.status.node_name == "n"


async def test_w3_the_main_resource_and_the_status_do_not_write_each_other(client: Client) -> None:
    made = await client.create(MACHINES, machine(name()))
    both = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"machineTemplateRef": {"name": "u"}},
        "status": {"nodeName": "n"},
    }

    told = await client.merge_patch(MACHINES, made.ref, both, subresource="status")
    changed = await client.merge_patch(MACHINES, made.ref, {**both, "status": {"nodeName": "m"}})

    assert told.status.node_name == "n"
    assert told.metadata.labels == {}
    assert told.metadata.generation == 1
    assert changed.status.node_name == "n"
    assert changed.metadata.labels == {"a": "b"}


async def test_f1_a_finalizer_holds_a_deleted_object_until_it_is_taken_off(client: Client) -> None:
    made = await client.create(MACHINES, machine(name(), finalizers=["a.io/x", "b.io/y"]))

    assert await client.delete(MACHINES, made.ref) is True
    held = await client.get(MACHINES, made.ref)
    assert held is not None
    assert held.is_deleting
    assert held.metadata.generation == 2
    again = await client.delete(MACHINES, made.ref)
    one = await client.merge_patch(MACHINES, made.ref, {"metadata": {"finalizers": ["b.io/y"]}})
    last = await client.merge_patch(MACHINES, made.ref, {"metadata": {"finalizers": []}})

    assert again is True
    assert one.metadata.deletion_timestamp == held.metadata.deletion_timestamp
    assert last.metadata.uid == made.metadata.uid
    assert await client.get(MACHINES, made.ref) is None


async def test_f2_a_deleted_object_gets_no_new_finalizer(client: Client) -> None:
    made = await client.create(MACHINES, machine(name(), finalizers=["a.io/x"]))
    await client.delete(MACHINES, made.ref)

    with pytest.raises(Invalid):
        await client.merge_patch(
            MACHINES, made.ref, {"metadata": {"finalizers": ["a.io/x", "b.io/y"]}}
        )
    await client.merge_patch(MACHINES, made.ref, {"metadata": {"finalizers": None}})


async def test_y6_a_recreated_object_has_another_uid(client: Client) -> None:
    first = await client.create(MACHINES, machine(name()))
    await client.delete(MACHINES, first.ref)
    second = await client.create(MACHINES, machine(first.metadata.name))

    assert first.metadata.uid != second.metadata.uid
    assert await client.delete(MACHINES, second.ref, uid=first.metadata.uid) is False
    assert await client.delete(MACHINES, second.ref, uid=second.metadata.uid) is True


async def test_f3_json_patch_tests_before_it_writes(client: Client) -> None:
    made = await client.create(MACHINES, machine(name(), finalizers=["a.io/x", "b.io/y"]))
    entry = "/metadata/finalizers/0"

    with pytest.raises(Invalid):
        await client.json_patch(
            MACHINES,
            made.ref,
            [{"op": "test", "path": entry, "value": "z"}, {"op": "remove", "path": entry}],
        )
    left = await client.json_patch(
        MACHINES,
        made.ref,
        [
            {"op": "test", "path": entry, "value": "a.io/x"},
            {"op": "remove", "path": entry},
            {"op": "add", "path": "/metadata/annotations", "value": {"x/y": "1"}},
            {"op": "replace", "path": "/metadata/annotations/x~1y", "value": "2"},
        ],
    )

    assert left.metadata.finalizers == ("b.io/y",)
    assert left.metadata.annotations == {"x/y": "2"}
