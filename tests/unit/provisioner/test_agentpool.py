"""The body of an agent pool, and the reading of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.kube.errors import InvalidSpec
from provisioner.azure import agentpool
from provisioner.cloud import InstanceSpec, InstanceState
from provisioner.controllers.machine.kinds import KINDS, MACHINE, NODE_CLAIM, ClaimKind
from provisioner.controllers.machine.order import instance_name, order
from provisioner.failures import BadRequest, CapacityUnavailable
from tests.unit.provisioner.builders import BORN, NAME, SIZE, UID, claim


def spec(kind: ClaimKind = MACHINE, **changes: object) -> InstanceSpec:
    return order(kind, claim(kind, **changes), now=BORN)


def requests(**quantities: str) -> dict[str, object]:
    return {"resources": {"requests": quantities}}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_claim_becomes_this_body(kind: ClaimKind) -> None:
    assert agentpool.body(spec(kind)) == {
        "properties": {
            "count": 1,
            "mode": "User",
            "type": "VirtualMachineScaleSets",
            "osType": "Linux",
            "osSKU": "Ubuntu",
            "vmSize": SIZE,
            "osDiskSizeGB": 50,
            "nodeLabels": {
                "kaito.sh/workspace": "phi",
                "apps": "phi-3",
                "kaito.sh/machine-type": "gpu",
            },
            "nodeTaints": ["sku=gpu:NoSchedule"],
            "tags": {
                "kaito.sh_claim-kind": kind.name,
                "kaito.sh_claim-name": NAME,
                "kaito.sh_claim-uid": UID,
                "kaito.sh_workspace": "phi",
                "kaito.sh_created": "2026-01-02T03:04:05+00:00",
            },
        }
    }


@pytest.mark.parametrize(
    ("storage", "gib"),
    [
        ("50Gi", 50),
        ("1", 1),
        ("1Gi", 1),
        ("1073741825", 2),
        ("100G", 94),
        ("2Ti", 2048),
        ("1e3", 1),
    ],
)
def test_a_disk_is_rounded_up_to_whole_gib(storage: str, gib: int) -> None:
    body = agentpool.body(spec(spec=requests(storage=storage)))

    properties = body["properties"]
    assert isinstance(properties, dict)
    assert properties["osDiskSizeGB"] == gib


@pytest.mark.parametrize("storage", ["0", "-1Gi", "0Gi", "many"])
def test_a_disk_that_cannot_be_is_refused_before_anything_is_asked(storage: str) -> None:
    with pytest.raises(InvalidSpec, match="storage"):
        spec(spec=requests(storage=storage))


@pytest.mark.parametrize("storage", ["2049Gi", "4Pi"])
def test_a_disk_that_azure_does_not_have_is_refused(storage: str) -> None:
    with pytest.raises(BadRequest, match="OS disk"):
        agentpool.body(spec(spec=requests(storage=storage)))


def test_no_disk_request_leaves_the_size_to_azure() -> None:
    properties = agentpool.body(spec(spec=requests()))["properties"]

    assert isinstance(properties, dict)
    assert "osDiskSizeGB" not in properties


@pytest.mark.parametrize("name", ["", "1a", "Abc", "a-b", "abcdefghijklm", "ab\n"])
def test_a_name_that_no_pool_can_have_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="agent pool name"):
        agentpool.body(replace(spec(), name=name))


def test_an_illegal_claim_name_gets_a_legal_instance_name_from_its_uid() -> None:
    long = claim(MACHINE, metadata={"name": "my-node.claim-1234", "uid": UID})
    other = claim(MACHINE, metadata={"name": "my-node.claim-1234", "uid": "another"})

    names = {instance_name(long), instance_name(other)}

    assert len(names) == 2
    assert instance_name(long) == instance_name(long)
    for name in names:
        assert name.isalnum()
        assert name.islower()
        assert name[0].isalpha()
        assert len(name) <= 12


def test_the_first_of_several_sizes_in_order_is_chosen() -> None:
    values = ["Standard_NC8", "Standard_NC6", "Standard_NC7"]
    requirement = {
        "key": "node.kubernetes.io/instance-type",
        "operator": "In",
        "values": values,
    }

    assert spec(spec={"requirements": [requirement]}).vm_size == "Standard_NC6"


def test_a_claim_without_a_size_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidSpec, match=r"node\.kubernetes\.io/instance-type"):
        spec(spec={"requirements": []})


@pytest.mark.parametrize(
    ("key", "settable"),
    [
        ("apps", True),
        ("kaito.sh/workspace", True),
        ("karpenter.sh/provisioner-name", True),
        ("kubernetes.io/os", False),
        ("node.kubernetes.io/instance-type", False),
        ("kubernetes.azure.com/agentpool", False),
        ("notkubernetes.io/x", True),
    ],
)
def test_labels_that_aks_keeps_for_itself_are_left_out(key: str, *, settable: bool) -> None:
    assert agentpool.is_settable(key) is settable


def test_spot_zones_and_image_family_reach_the_body() -> None:
    wanted = replace(spec(NODE_CLAIM), spot=True, zones=("1", "2"), image_family="AzureLinux")

    properties = agentpool.body(wanted)["properties"]

    assert isinstance(properties, dict)
    assert properties["scaleSetPriority"] == "Spot"
    assert properties["scaleSetEvictionPolicy"] == "Delete"
    assert properties["availabilityZones"] == ["1", "2"]
    assert properties["osSKU"] == "AzureLinux"


def required(key: str, operator: str, *values: str) -> dict[str, object]:
    return {"key": key, "operator": operator, "values": list(values)}


def asked(*requirements: dict[str, object]) -> InstanceSpec:
    size = required("node.kubernetes.io/instance-type", "In", SIZE)
    return spec(spec={"requirements": [size, *requirements]})


ZONE, CAPACITY = "topology.kubernetes.io/zone", "karpenter.sh/capacity-type"


@pytest.mark.parametrize(
    ("requirements", "zones"),
    [
        ([], ()),
        ([required(ZONE, "In", "eastus-1")], ("1",)),
        ([required(ZONE, "In", "2")], ("2",)),
        ([required(ZONE, "In", "eastus2-3", "eastus2-1")], ("1", "3")),
        ([required(ZONE, "In", "eastus-0")], ()),
        ([required(ZONE, "Exists")], ()),
        (
            [required(ZONE, "In", "eastus-1", "eastus-2"), required(ZONE, "In", "eastus-2")],
            ("2",),
        ),
        (
            [required(ZONE, "In", "eastus-1", "eastus-2"), required(ZONE, "NotIn", "eastus-2")],
            ("1",),
        ),
    ],
)
def test_zones_are_asked_for_by_the_number_in_the_label_of_aks(
    requirements: list[dict[str, object]], zones: tuple[str, ...]
) -> None:
    properties = agentpool.body(asked(*requirements))["properties"]

    assert isinstance(properties, dict)
    assert tuple(properties.get("availabilityZones", ())) == zones


@pytest.mark.parametrize(
    "requirements",
    [
        [required(ZONE, "In", "us-east-1a")],
        [required(ZONE, "In", "eastus-1"), required(ZONE, "In", "eastus-2")],
        [required(ZONE, "NotIn", "eastus-1")],
    ],
    ids=["of another cloud", "nothing is left", "all but one"],
)
def test_zones_that_cannot_be_asked_for_are_refused_and_not_passed_over(
    requirements: list[dict[str, object]],
) -> None:
    with pytest.raises(InvalidSpec, match=r"topology\.kubernetes\.io/zone"):
        asked(*requirements)


@pytest.mark.parametrize(
    ("requirement", "spot"),
    [
        (required(CAPACITY, "In", "spot"), True),
        (required(CAPACITY, "In", "on-demand"), False),
        (required(CAPACITY, "In", "on-demand", "spot"), False),
        (required(CAPACITY, "NotIn", "spot"), False),
    ],
)
def test_only_a_claim_that_allows_nothing_else_gets_spot(
    requirement: dict[str, object], *, spot: bool
) -> None:
    assert asked(requirement).spot is spot


def test_the_image_family_of_a_claim_is_its_annotation() -> None:
    metadata = claim(MACHINE).metadata.model_dump(by_alias=True, mode="json")
    noted = {**metadata, "annotations": {"kaito.sh/node-image-family": "AzureLinux"}}

    assert spec(metadata=noted).image_family == "AzureLinux"


def test_an_image_family_that_nobody_knows_is_refused() -> None:
    with pytest.raises(BadRequest, match="plan9"):
        agentpool.body(replace(spec(), image_family="plan9"))


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Creating", InstanceState.PENDING),
        ("Updating", InstanceState.PENDING),
        ("SomethingNew", InstanceState.PENDING),
        ("Succeeded", InstanceState.RUNNING),
        ("succeeded", InstanceState.RUNNING),
        ("Failed", InstanceState.FAILED),
        ("Canceled", InstanceState.FAILED),
        ("Deleting", InstanceState.DELETING),
    ],
)
def test_a_pool_is_read_back_with_its_owner(word: str, state: InstanceState) -> None:
    wanted = spec()
    body = agentpool.body(wanted)
    properties = body["properties"]
    assert isinstance(properties, dict)

    read = agentpool.instance(
        {"name": NAME, "properties": {**properties, "provisioningState": word}}
    )

    assert (read.name, read.state, read.phase) == (NAME, state, word)
    assert read.owner == wanted.owner
    assert read.created == wanted.created
    assert read.vm_size == SIZE


@pytest.mark.parametrize("tags", [None, {}, {"kaito.sh_claim-uid": UID}, {"owner": "me"}])
def test_a_pool_without_our_whole_mark_is_nobodys(tags: object) -> None:
    read = agentpool.instance({"name": "system", "properties": {"tags": tags}})

    assert read.owner is None


def test_a_failed_pool_says_why_where_the_api_does() -> None:
    told = {"code": "AllocationFailed", "message": "none left"}

    read = agentpool.instance(
        {
            "name": NAME,
            "properties": {
                "provisioningState": "Failed",
                "status": {"provisioningError": told},
            },
        }
    )

    assert isinstance(read.failure, CapacityUnavailable)
    assert read.failure.message == "none left"


def test_what_the_settings_ask_of_all_pools_is_in_the_body_and_our_marks_win() -> None:
    subnet = "/subscriptions/s/resourceGroups/g/providers/n/virtualNetworks/v/subnets/gpu"
    custom = agentpool.Custom(
        subnet_id=subnet,
        installs_driver=False,
        tags={"cost-center": "7", "kaito.sh_claim-uid": "forged"},
    )

    properties = agentpool.body(spec(), custom)["properties"]

    assert isinstance(properties, dict)
    assert properties["vnetSubnetID"] == subnet
    assert properties["gpuProfile"] == {"driver": "None"}
    assert properties["tags"]["cost-center"] == "7"
    assert properties["tags"]["kaito.sh_claim-uid"] == UID
