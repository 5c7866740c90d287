"""What nodes, claims and the table say of an instance type, and whose word counts."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.catalog.sku import Sku
from kaito.kube.kinds import Node
from kaito.nodes.claim import Claim
from kaito.nodes.report import measured

KNOWN = Sku(name="known", gpus=4, gpu_memory_gib=16, model="NVIDIA V100", compute_capability=7.0)
TABLE = MappingProxyType({KNOWN.name: KNOWN})
DISCOVERED = {"nvidia.com/gpu.count": "2", "nvidia.com/gpu.memory": "24576"}
TYPE = "node.kubernetes.io/instance-type"


def a_node(name: str, carried: dict[str, str], *, type_: str, capacity: str = "") -> Node:
    """A node with labels, and GPUs that its kubelet reports."""
    return Node.model_validate(
        {
            "metadata": {"name": name, "labels": {TYPE: type_, **carried}},
            "status": {"capacity": {"nvidia.com/gpu": capacity} if capacity else {}},
        }
    )


def a_claim(carried: dict[str, str], *, type_: str, capacity: str, kind: type[Claim]) -> Claim:
    """A claim for one type, with GPUs that whoever carries it out reports."""
    requirement = {"key": TYPE, "operator": "In", "values": [type_]}
    return kind.model_validate(
        {
            "metadata": {"name": "ws1", "labels": carried},
            "spec": {
                "requirements": [requirement],
                "nodeClassRef": {"group": "g", "kind": "K", "name": "default"},
            },
            "status": {"capacity": {"nvidia.com/gpu": capacity, "memory": "100Gi"}},
        }
    )


@pytest.mark.parametrize("kind", [Machine, NodeClaim])
def test_the_cloud_s_count_on_the_claim_wins_over_the_table(kind: type[Claim]) -> None:
    claim = a_claim({}, type_="known", capacity="2", kind=kind)

    found = measured("known", TABLE, (), (claim,))

    assert found is not None
    assert (found.sku.gpus, found.sku.gpu_memory_gib) == (2, 16)
    assert found.clause == "; so claim ws1 says, not the table"


@pytest.mark.parametrize(
    ("carried", "capacity", "gpus"),
    [
        pytest.param(DISCOVERED, "8", 2, id="feature discovery before the kubelet"),
        pytest.param({}, "8", 8, id="the kubelet before the claim"),
        pytest.param({"karpenter.azure.com/sku-gpu-count": "6"}, "8", 8, id="kubelet before label"),
        pytest.param({"karpenter.azure.com/sku-gpu-count": "6"}, "", 6, id="the cloud's label"),
        pytest.param({"karpenter.k8s.aws/instance-gpu-count": "6"}, "0", 6, id="no GPU yet"),
        pytest.param({}, "0", 3, id="the claim before the table"),
        pytest.param({"nvidia.com/gpu.count": "many"}, "", 3, id="a label that is no number"),
    ],
)
def test_who_is_nearest_to_the_gpus_is_believed(
    carried: dict[str, str], capacity: str, gpus: int
) -> None:
    node = a_node("n", carried, type_="known", capacity=capacity)
    claim = a_claim({}, type_="known", capacity="3", kind=NodeClaim)

    found = measured("known", TABLE, (node,), (claim,))

    assert found is not None
    assert found.sku.gpus == gpus


def test_of_several_nodes_the_least_counts_and_is_named() -> None:
    nodes = [a_node(name, {}, type_="known", capacity=n) for name, n in (("a", "8"), ("b", "2"))]

    found = measured("known", TABLE, nodes)

    assert found is not None
    assert found.sku.gpus == 2
    assert found.by == "node b"


def test_words_that_agree_with_the_table_are_not_mentioned() -> None:
    found = measured("known", TABLE, (a_node("n", {}, type_="known", capacity="4"),))

    assert found is not None
    assert found.sku == KNOWN
    assert found.clause == ""


def test_a_node_of_another_type_says_nothing() -> None:
    other = a_node("n", DISCOVERED, type_="other")

    assert measured("unknown", TABLE, (other,)) is None
    found = measured("known", TABLE, (other,))
    assert found is not None
    assert found.sku == KNOWN


def test_a_type_of_no_table_is_what_feature_discovery_says() -> None:
    carried = {
        **DISCOVERED,
        "nvidia.com/gpu.product": "NVIDIA-A10",
        "nvidia.com/gpu.compute.major": "8",
        "nvidia.com/gpu.compute.minor": "6",
    }

    found = measured("new", TABLE, (a_node("n", carried, type_="new", capacity="2"),))

    assert found is not None
    assert found.sku == Sku(
        name="new", gpus=2, gpu_memory_gib=24, model="NVIDIA A10", compute_capability=8.6
    )
    assert found.by == "node n"


@pytest.mark.parametrize(("maker", "cuda"), [("nvidia", True), ("amd", False)])
def test_a_type_of_no_table_is_what_the_cloud_s_labels_say(maker: str, *, cuda: bool) -> None:
    aws = "karpenter.k8s.aws/instance-gpu"
    carried = {f"{aws}-memory": "16384", f"{aws}-manufacturer": maker, f"{aws}-name": "t4"}
    claim = a_claim(carried, type_="g9.large", capacity="2", kind=NodeClaim)

    found = measured("g9.large", TABLE, (), (claim,))

    assert found is not None
    assert (found.sku.gpus, found.sku.gpu_memory_gib) == (2, 16)
    assert found.sku.model == f"{maker.upper()} t4"
    assert found.sku.has_cuda is cuda


def test_a_type_of_which_only_the_count_is_known_is_not_known() -> None:
    assert measured("new", TABLE, (a_node("n", {}, type_="new", capacity="2"),)) is None
