"""The Node of a machine, as AKS and a kubelet make it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from hack.cluster.kubelet.addresses import PodAddresses
from hack.cluster.kubelet.machine import (
    NO_PLUGIN,
    Machine,
    conditions,
    labels,
    machines,
    node_manifest,
)
from kaito.kube.kinds import Node
from kaito.kube.objects import Condition
from tests.unit.cluster.kubelet.builders import EARLIER, NOW, an_instance
from tests.unit.cluster.layouts import a_layout


def the_machine(**fields: object) -> Machine:
    (machine,) = machines((an_instance(**fields),))
    return machine


def posted(machine: Machine) -> Node:
    manifest = node_manifest(machine, a_layout(3), version="v1.36.3", now=NOW)
    return Node.model_validate(manifest)


def test_a_node_is_named_and_found_as_aks_does_it() -> None:
    machine = the_machine()

    assert machine.name == "aks-wsa1-12345678-vmss000000"
    assert posted(machine).spec.provider_id == (
        "azure:///subscriptions/00000000-0000-4000-8000-000000000001"
        "/resourceGroups/mc_group_cluster_local"
        "/providers/Microsoft.Compute/virtualMachineScaleSets"
        "/aks-wsa1-12345678-vmss/virtualMachines/0"
    )


def test_a_node_carries_the_labels_of_its_pool_and_its_size() -> None:
    found = labels(the_machine())

    assert found["agentpool"] == found["kubernetes.azure.com/agentpool"] == "wsa1"
    assert found["node.kubernetes.io/instance-type"] == "Standard_NC6s_v3"
    assert found["kubernetes.azure.com/mode"] == "user"
    assert found["apps"] == "phi-3"


def test_a_node_has_the_capacity_and_taints_of_its_pool() -> None:
    node = posted(the_machine(taints=["sku=gpu:NoSchedule", "only:NoExecute"]))

    assert node.status.capacity["nvidia.com/gpu"] == "1"
    assert node.status.capacity["cpu"] == "6"
    assert node.status.capacity["memory"] == "114688Mi"
    assert [(one.key, one.value, one.effect) for one in node.spec.taints] == [
        ("sku", "gpu", "NoSchedule"),
        ("only", "", "NoExecute"),
    ]


def test_a_machine_without_gpus_has_no_such_resource() -> None:
    assert "nvidia.com/gpu" not in the_machine(gpus=0).capacity


def test_a_machine_reports_no_gpu_until_a_device_plugin_does() -> None:
    bare = the_machine(labels={NO_PLUGIN: "true"})

    assert "nvidia.com/gpu" not in bare.capacity
    assert replace(bare, is_mended=True).capacity["nvidia.com/gpu"] == "1"


def test_a_node_is_first_registered_not_ready() -> None:
    ready = [one for one in posted(the_machine()).status.conditions if one.type == "Ready"]

    assert [one.status for one in ready] == ["False"]


def test_ready_since_moves_only_when_ready_does() -> None:
    def since(before: str) -> object:
        old = Condition(type="Ready", status=before, last_transition_time=EARLIER)
        foreign = Condition(type="NetworkUnavailable", status="False")
        listed = conditions((old, foreign), NOW, ready=True)
        assert "NetworkUnavailable" not in {one["type"] for one in listed}
        return next(one["lastTransitionTime"] for one in listed if one["type"] == "Ready")

    assert since("True") == "2026-01-02T03:00:00Z"
    assert since("Unknown") == "2026-01-02T03:04:05Z"
    assert isinstance(NOW, datetime)


def test_each_machine_of_a_pool_has_its_own_name_and_number() -> None:
    found = machines((an_instance(ordinals=[7, 9]), an_instance(pool="b", ordinals=[8])))

    assert len({machine.name for machine in found[:2]}) == 2
    assert [machine.number for machine in found] == [7, 9, 8]


def test_a_pool_that_was_made_anew_has_another_machine() -> None:
    assert the_machine(ordinals=[7]).identity != the_machine(ordinals=[8]).identity


def test_a_pod_keeps_the_address_that_it_had() -> None:
    addresses = PodAddresses(a_layout(2, Path("/h")))

    assert addresses.take("a", "10.226.0.9") == "10.226.0.9"
    assert addresses.take("a", "10.226.0.9") == "10.226.0.9"
    assert addresses.take("b", "10.226.0.9") != "10.226.0.9"
    assert addresses.take("c", "10.1.2.3").startswith("10.226.")


def test_an_address_that_was_just_free_is_not_given_at_once() -> None:
    addresses = PodAddresses(a_layout(2, Path("/h")))
    first = addresses.take("a", "")
    addresses.give_back("a")

    assert addresses.take("b", "") != first
