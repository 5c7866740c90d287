"""What a claim shows of its machine, as `kubectl get` prints it: size, price, zone and image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.kube.kinds import NODES
from provisioner.azure import agentpool
from provisioner.cloud import InstanceSpec
from provisioner.controllers.machine.kinds import KINDS, MACHINE, ClaimKind
from provisioner.controllers.machine.plan import plan
from provisioner.controllers.machine.status import status as written
from tests.unit.provisioner import builders
from tests.unit.provisioner.apiserver import Fuse
from tests.unit.provisioner.builders import NAME, SIZE
from tests.unit.provisioner.simulation import Skies, World

IMAGE = "AKSUbuntu-2204gen2containerd-202601.02.0"
TYPE: dict[str, object] = {
    "key": "node.kubernetes.io/instance-type",
    "operator": "In",
    "values": [SIZE],
}
PLACES = {"Machine": (), "NodeClaim": (IMAGE,)}
"""Where each Kind tells the image."""

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def asking(key: str, *values: str) -> list[dict[str, object]]:
    """The requirements of a claim that wants one of these values, too."""
    return [TYPE, {"key": key, "operator": "In", "values": list(values)}]


def joined(world: World, zone: str) -> None:
    """The claim's node joins, in that zone."""
    made = builders.node()
    marks = {**made.metadata.labels, "topology.kubernetes.io/zone": zone}
    made = builders.node(metadata={"labels": marks})
    world.api.objects[(NODES.plural, made.ref)] = made


@both
@pytest.mark.parametrize(
    ("values", "expected"),
    [((), "on-demand"), (("spot",), "spot"), (("spot", "on-demand"), "on-demand")],
    ids=["unsaid", "spot", "either"],
)
async def test_a_claim_shows_what_is_paid_for_before_there_is_a_machine(
    kind: ClaimKind, values: tuple[str, ...], expected: str
) -> None:
    world = World(kind)
    world.nodes_join = False
    wanted = asking("karpenter.sh/capacity-type", *values) if values else [TYPE]
    world.create(spec={"requirements": wanted})

    await world.settle(rounds=2)

    shown = world.stored().metadata.labels
    assert shown["node.kubernetes.io/instance-type"] == SIZE
    assert shown["karpenter.sh/capacity-type"] == expected
    assert "topology.kubernetes.io/zone" not in shown


async def test_the_only_zone_that_is_asked_for_is_shown_at_once() -> None:
    world = World(MACHINE)
    world.nodes_join = False
    world.create(spec={"requirements": asking("topology.kubernetes.io/zone", "eastus-2")})

    await world.settle(rounds=2)

    assert world.stored().metadata.labels["topology.kubernetes.io/zone"] == "eastus-2"


@both
async def test_of_several_zones_the_one_that_it_became_is_shown(kind: ClaimKind) -> None:
    world = World(kind)
    world.nodes_join = False
    zones = asking("topology.kubernetes.io/zone", "eastus-2", "eastus-3")
    world.create(spec={"requirements": zones})
    await world.settle(rounds=4)
    joined(world, "eastus-3")

    await world.settle(rounds=4)

    assert world.is_ready
    assert world.stored().metadata.labels["topology.kubernetes.io/zone"] == "eastus-3"
    version = world.stored().metadata.resource_version
    await world.settle(rounds=4)
    assert world.stored().metadata.resource_version == version


@pytest.mark.parametrize("zone", ["0", "2", ""])
async def test_a_fault_domain_is_no_zone(zone: str) -> None:
    world = World(MACHINE)
    world.nodes_join = False
    world.create()
    await world.settle(rounds=4)
    joined(world, zone)

    await world.settle(rounds=4)

    assert world.is_ready
    assert "topology.kubernetes.io/zone" not in world.stored().metadata.labels


class Imaging(Skies):
    """A cloud that says which image a machine starts from."""

    async def launch(self, spec: InstanceSpec) -> None:
        """As `Cloud.launch`."""
        await super().launch(spec)
        self.pools[spec.name] = replace(self.pools[spec.name], image=IMAGE)


@both
async def test_a_node_claim_tells_the_image_and_a_machine_has_no_place_for_it(
    kind: ClaimKind,
) -> None:
    world = World(kind)
    world.cloud = Imaging(Fuse(), world.clock)
    world.restart()
    world.create()
    await world.settle()

    assert world.is_ready
    status = world.stored().status.model_dump(by_alias=True)
    assert [status[key] for key in status if key == "imageID"] == list(PLACES[kind.name])
    seen = world.controller.observe(world.stored())
    assert written(seen, plan(seen)) is None, "it says so already"


def test_the_image_is_read_from_the_pool() -> None:
    pool = {"name": NAME, "properties": {"nodeImageVersion": IMAGE}}

    assert agentpool.instance(pool).image == IMAGE
    assert agentpool.instance({"name": NAME}).image == ""
