"""Writes as controllers make them, while others write, answers are lost and views are old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio

from kaito.api.machine import MACHINES, Machine
from kaito.kube.client import Client
from kaito.kube.errors import Conflict, Unavailable
from kaito.kube.kinds import DEPLOYMENTS
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.writer import NameTaken, Writer
from tests.engine.maps import CONFIG_MAPS, ConfigMap, Maps
from tests.engine.proxy import Proxy, is_method, lost, says

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

MINE, THEIRS = "kaito.sh/mine", "others.io/theirs"
STALE = says(409, '{"kind":"Status","status":"Failure","reason":"Conflict","code":409}')


def wire(name: str, **metadata: object) -> dict[str, Any]:
    """A small valid Machine."""
    spec = {"machineTemplateRef": {"name": "t"}, "requirements": []}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def told(status: str) -> dict[str, Any]:
    """A status with one condition."""
    moment = "2026-01-01T00:00:00Z"
    return {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": moment}]}


def marked(key: str, owner: str) -> Callable[[KubeObject], bool]:
    """Whether an object carries its owner's uid as a label."""
    return lambda found: found.metadata.labels.get(key) == owner


def owned_by(owner: ConfigMap) -> list[dict[str, Any]]:
    """The ownerReferences of what belongs to it."""
    name, uid = owner.metadata.name, owner.metadata.uid
    return [{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "controller": True}]


@pytest.fixture
def writer(client: Client) -> Writer:
    """Writes through the proxy."""
    return Writer(client)


@pytest_asyncio.fixture(loop_scope="session")
async def machine(maps: Maps) -> Machine:
    """One that somebody made, with somebody's finalizer."""
    return await maps.client.create(MACHINES, wire(maps.group, finalizers=[THEIRS]))


async def now(maps: Maps, seen: Machine) -> Machine | None:
    """The Machine as the server has it."""
    return await maps.client.get(MACHINES, seen.ref)


async def present(maps: Maps, seen: Machine) -> Machine:
    """The Machine as the server has it; it must be there."""
    found = await now(maps, seen)
    assert found is not None
    return found


async def label(maps: Maps, seen: Machine, value: str) -> Machine:
    """Somebody else changes the Machine."""
    return await maps.client.merge_patch(
        MACHINES, seen.ref, {"metadata": {"labels": {"theirs": value}}}
    )


async def test_y2_a_create_whose_answer_was_lost_is_found_to_be_ours(
    link: Proxy, writer: Writer, maps: Maps
) -> None:
    owner = await maps.create("owner")
    child = maps.wire("child", "1")
    metadata = child["metadata"]
    assert isinstance(metadata, dict)
    manifest = {**child, "metadata": {**metadata, "ownerReferences": owned_by(owner)}}
    link.next(lost, is_method("POST"))

    with pytest.raises(Unavailable):
        await writer.create(CONFIG_MAPS, manifest, owner_uid=owner.metadata.uid)
    again = await writer.create(CONFIG_MAPS, manifest, owner_uid=owner.metadata.uid)

    assert again is None
    assert len(await maps.state()) == 2


async def test_y2_o1_a_name_that_another_owner_has_taken_is_not_adopted(
    writer: Writer, maps: Maps
) -> None:
    first, second = await maps.create("first"), await maps.create("second")
    child = maps.wire("child", "1")
    metadata = child["metadata"]
    assert isinstance(metadata, dict)
    manifest = {**child, "metadata": {**metadata, "ownerReferences": owned_by(first)}}
    made = await writer.create(CONFIG_MAPS, manifest, owner_uid=first.metadata.uid)

    with pytest.raises(NameTaken):
        await writer.create(CONFIG_MAPS, manifest, owner_uid=second.metadata.uid)

    assert made is not None
    kept = await maps.client.get(CONFIG_MAPS, made.ref)
    assert kept is not None
    assert [each.uid for each in kept.metadata.owner_references] == [first.metadata.uid]


async def test_o2_what_no_reference_can_hold_is_known_by_its_label(
    writer: Writer, maps: Maps
) -> None:
    owner = (await maps.create("owner")).metadata.uid
    manifest = wire(maps.group, labels={"owner": owner})

    first = await writer.create(MACHINES, manifest, owner_uid=owner, is_ours=marked("owner", owner))
    again = await writer.create(MACHINES, manifest, owner_uid=owner, is_ours=marked("owner", owner))

    assert (first is not None, again) == (True, None)
    with pytest.raises(NameTaken):
        await writer.create(
            MACHINES, manifest, owner_uid="another", is_ours=marked("owner", "another")
        )


async def test_y2_a_name_whose_holder_is_on_its_way_out_is_tried_again_later(
    writer: Writer, machine: Machine, maps: Maps
) -> None:
    await label(maps, machine, "me")
    await maps.client.delete(MACHINES, machine.ref)

    mine = marked("theirs", "me")
    with pytest.raises(Conflict):
        await writer.create(MACHINES, wire(maps.group), owner_uid="me", is_ours=mine)


async def test_w1_y6_whatever_was_decided_on_an_old_version_is_refused(
    writer: Writer, machine: Machine, maps: Maps
) -> None:
    latest = await label(maps, machine, "1")

    with pytest.raises(Conflict):
        await writer.apply(MACHINES, machine, wire(maps.group))
    with pytest.raises(Conflict):
        await writer.apply_status(MACHINES, machine, told("True"))
    with pytest.raises(Conflict):
        await writer.patch(MACHINES, machine, {"metadata": {"labels": {"mine": "1"}}})
    with pytest.raises(Conflict):
        await writer.add_finalizer(MACHINES, machine, MINE)
    with pytest.raises(Conflict):
        await writer.remove_finalizer(MACHINES, machine, THEIRS)
    with pytest.raises(Conflict):
        await writer.delete(MACHINES, machine)

    assert (await present(maps, machine)).metadata == latest.metadata


async def test_y6_what_was_decided_on_an_object_spares_its_successor(
    writer: Writer, machine: Machine, maps: Maps
) -> None:
    await maps.client.merge_patch(MACHINES, machine.ref, {"metadata": {"finalizers": None}})
    await maps.client.delete(MACHINES, machine.ref)
    successor = await maps.client.create(MACHINES, wire(maps.group))

    with pytest.raises(Conflict):
        await writer.delete(MACHINES, machine)
    with pytest.raises(Conflict):
        await writer.apply(MACHINES, machine, wire(maps.group))
    with pytest.raises(Conflict):
        await writer.apply_status(MACHINES, machine, told("True"))

    assert await present(maps, machine) == successor


async def test_y6_what_is_gone_is_not_made_anew(
    writer: Writer, machine: Machine, maps: Maps
) -> None:
    await maps.client.merge_patch(MACHINES, machine.ref, {"metadata": {"finalizers": None}})
    await maps.client.delete(MACHINES, machine.ref)

    with pytest.raises(Conflict):
        await writer.apply(MACHINES, machine, wire(maps.group))
    with pytest.raises(Conflict):
        await writer.apply_status(MACHINES, machine, told("True"))
    await writer.delete(MACHINES, machine)

    assert await now(maps, machine) is None


async def test_y6_a_write_whose_answer_was_lost_is_refused_the_second_time(
    link: Proxy, writer: Writer, machine: Machine, maps: Maps
) -> None:
    link.next(lost, is_method("PATCH"))

    with pytest.raises(Unavailable):
        await writer.apply_status(MACHINES, machine, told("True"))
    with pytest.raises(Conflict):
        await writer.apply_status(MACHINES, machine, told("False"))

    kept = (await present(maps, machine)).status.conditions
    assert [each.status for each in kept] == ["True"]


async def test_w1_an_apply_owns_its_fields_and_leaves_those_of_others(
    writer: Writer, machine: Machine, maps: Maps
) -> None:
    theirs = await label(maps, machine, "1")
    both = wire(maps.group, labels={"mine": "1", "also": "1"})

    first = await writer.apply(MACHINES, theirs, both)
    second = await writer.apply(MACHINES, first, wire(maps.group, labels={"mine": "2"}))

    assert second.metadata.labels == {"theirs": "1", "mine": "2"}
    assert second.metadata.finalizers == (THEIRS,)


async def test_w2_what_would_change_nothing_is_not_sent(
    link: Proxy, writer: Writer, machine: Machine
) -> None:
    said = await writer.apply_status(MACHINES, machine, told("True"))
    marked = await writer.patch(MACHINES, said, {"metadata": {"labels": {"mine": "1"}}})
    count = len(link.seen)

    await writer.apply_status(MACHINES, marked, told("True"))
    await writer.patch(MACHINES, marked, {"metadata": {"labels": {"mine": "1"}}})
    await writer.add_finalizer(MACHINES, marked, THEIRS)
    await writer.remove_finalizer(MACHINES, marked, MINE)

    assert len(link.seen) == count


async def test_w3_a_status_goes_to_its_own_door_and_counts_as_no_generation(
    link: Proxy, writer: Writer, machine: Machine
) -> None:
    said = await writer.apply_status(MACHINES, machine, told("True"))

    assert [each.partition("?")[0].rpartition("/")[2] for each in link.seen] == ["status"]
    assert said.metadata.generation == machine.metadata.generation
    assert [each.status for each in said.status.conditions] == ["True"]


async def test_f1_a_finalizer_is_on_the_server_when_the_call_returns(
    link: Proxy, writer: Writer, machine: Machine, maps: Maps
) -> None:
    link.next(STALE, is_method("PATCH"))

    with pytest.raises(Conflict):
        await writer.add_finalizer(MACHINES, machine, MINE)
    before = (await present(maps, machine)).metadata.finalizers
    await writer.add_finalizer(MACHINES, machine, MINE)
    await maps.client.delete(MACHINES, machine.ref)

    assert before == (THEIRS,)
    held = await present(maps, machine)
    assert held.is_deleting
    assert held.metadata.finalizers == (THEIRS, MINE)


async def test_f2_no_finalizer_is_added_to_what_is_being_deleted(
    link: Proxy, writer: Writer, machine: Machine, maps: Maps
) -> None:
    await maps.client.delete(MACHINES, machine.ref)
    going = await present(maps, machine)

    with pytest.raises(Conflict):
        await writer.add_finalizer(MACHINES, machine, MINE)
    with pytest.raises(Conflict):
        await writer.add_finalizer(MACHINES, going, MINE)

    assert len(link.seen) == 1
    assert (await present(maps, machine)).metadata.finalizers == (THEIRS,)


async def test_f3_finalizers_that_others_store_meanwhile_survive(
    writer: Writer, machine: Machine, maps: Maps
) -> None:
    third = {"metadata": {"finalizers": [THEIRS, "third.io/one"]}}
    await maps.client.merge_patch(MACHINES, machine.ref, third)

    with pytest.raises(Conflict):
        await writer.add_finalizer(MACHINES, machine, MINE)
    added = await writer.add_finalizer(MACHINES, await present(maps, machine), MINE)
    await writer.remove_finalizer(MACHINES, added, MINE)

    assert added.metadata.finalizers == (THEIRS, "third.io/one", MINE)
    assert (await present(maps, machine)).metadata.finalizers == (THEIRS, "third.io/one")


async def test_f4_taking_the_last_finalizer_off_twice_is_success(
    link: Proxy, writer: Writer, machine: Machine, maps: Maps
) -> None:
    await maps.client.delete(MACHINES, machine.ref)
    going = await present(maps, machine)
    link.next(lost, is_method("PATCH"))

    with pytest.raises(Unavailable):
        await writer.remove_finalizer(MACHINES, going, THEIRS)
    gone = await now(maps, machine)
    await writer.remove_finalizer(MACHINES, going, THEIRS)

    assert gone is None


async def test_f5_cleaning_up_what_never_was_is_success(writer: Writer, maps: Maps) -> None:
    never = Machine.model_validate(
        {"metadata": {"name": maps.group, "uid": "u", "resourceVersion": "1"}}
    )

    await writer.delete(MACHINES, never)
    await writer.delete(MACHINES, never)

    assert await maps.client.get(MACHINES, Ref("", maps.group)) is None


def deployment(maps: Maps, *containers: dict[str, Any], volume: dict[str, Any]) -> dict[str, Any]:
    """A Deployment whose pods are of these containers."""
    labels = {"app": maps.group}
    pod = {"containers": list(containers), "volumes": [{"name": "data", **volume}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "metadata": {"name": maps.group, "namespace": "default", "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def server(env: list[dict[str, Any]], **probe: object) -> dict[str, Any]:
    """A container with these variables and such a probe."""
    return {"name": "server", "image": "i", "env": env, "readinessProbe": probe}


BEFORE = server(
    [{"name": "TOKEN", "value": "x"}, {"name": "OLD", "value": "1"}], exec={"command": ["a"]}
)
SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
AFTER = server([{"name": "TOKEN", "valueFrom": SECRET}], tcpSocket={"port": 80})


async def test_what_it_was_made_with_and_is_applied_no_more_is_taken_out(
    writer: Writer, maps: Maps
) -> None:
    former = deployment(maps, BEFORE, {"name": "beside", "image": "i"}, volume={"emptyDir": {}})
    latter = deployment(maps, AFTER, volume={"configMap": {"name": "c"}})
    made = await writer.create(DEPLOYMENTS, former, owner_uid="u")
    assert made
    theirs = {"metadata": {"annotations": {THEIRS: "stays"}}}
    seen = await maps.client.merge_patch(DEPLOYMENTS, made.ref, theirs)

    applied = await writer.apply(DEPLOYMENTS, seen, latter)
    again = await writer.apply(DEPLOYMENTS, applied, latter)

    found: Any = await maps.client.request("GET", DEPLOYMENTS.path(made.ref))
    pod = found["spec"]["template"]["spec"]
    (container,), (volume,) = pod["containers"], pod["volumes"]
    assert container["env"] == AFTER["env"]
    assert set(container["readinessProbe"]) & {"exec", "tcpSocket"} == {"tcpSocket"}
    assert set(volume) == {"name", "configMap"}
    assert found["metadata"]["annotations"][THEIRS] == "stays"
    assert again.metadata.resource_version == applied.metadata.resource_version
    owners = [(each["manager"], each["operation"]) for each in found["metadata"]["managedFields"]]
    assert sorted(owners) == [("engine", "Apply"), ("others", "Update")]


async def test_an_apply_whose_first_half_alone_arrived_is_made_again(
    writer: Writer, maps: Maps, link: Proxy
) -> None:
    former = deployment(maps, BEFORE, volume={"emptyDir": {}})
    latter = deployment(maps, AFTER, volume={"configMap": {"name": "c"}})
    made = await writer.create(DEPLOYMENTS, former, owner_uid="u")
    assert made
    link.next(lost, is_method("PATCH"))
    with pytest.raises(Unavailable):
        await writer.apply(DEPLOYMENTS, made, latter)

    seen = await maps.client.get(DEPLOYMENTS, made.ref)
    assert seen
    applied = await writer.apply(DEPLOYMENTS, seen, latter)

    template: Any = applied.spec.template
    assert template["spec"]["containers"][0]["env"] == AFTER["env"]
