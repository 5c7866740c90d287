"""What ARM refuses of a pool."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from hack.cluster.arm import validation
from hack.cluster.arm.refusals import Refusal
from hack.cluster.arm.sizes import sizes
from hack.cluster.arm.wire import complete, requested

GOOD: dict[str, JsonValue] = {"vmSize": "Standard_NC6s_v3", "count": 1, "osDiskSizeGB": 50}


def check(properties: dict[str, JsonValue]) -> None:
    """Check against the real table of sizes."""
    validation.check_properties(properties, sizes=sizes(), location="local")


@pytest.mark.parametrize("name", ["w", "ws3f9k2m01x", "a23456789012"])
def test_a_legal_pool_name_is_accepted(name: str) -> None:
    validation.check_name(name)


@pytest.mark.parametrize("name", ["", "1ws", "Ws", "ws-1", "a234567890123", "ws\n"])
def test_an_illegal_pool_name_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        validation.check_name(name)

    assert (refused.value.status, refused.value.code) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"osDiskSizeGB": 0},
        {"osDiskSizeGB": 2048},
        {"nodeLabels": {"kaito.sh/workspace": "phi", "plain": ""}},
        {"nodeTaints": ["sku=gpu:NoSchedule", "key:NoExecute", "key=:PreferNoSchedule"]},
        {"nodeTaints": None, "nodeLabels": None, "tags": None},
        {"tags": {f"tag {number}": "*" * 256 for number in range(50)}},
        {"mode": "System", "osSKU": "AzureLinux"},
    ],
    ids=str,
)
def test_what_azure_takes_is_accepted(change: dict[str, JsonValue]) -> None:
    check({**GOOD, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"vmSize": None},
        {"vmSize": ""},
        {"vmSize": "Standard_Nothing"},
        {"vmSize": "Standard_ND96asr_A100_v4"},
        {"count": -1},
        {"count": "1"},
        {"count": True},
        {"osDiskSizeGB": -2147483648},
        {"osDiskSizeGB": 2049},
        {"osDiskSizeGB": 1.5},
        {"osSku": "Ubuntu"},
        {"osSKU": "Debian"},
        {"mode": "user"},
        {"nodeLabels": {"-bad": "x"}},
        {"nodeLabels": {"UPPER.io/x": "x"}},
        {"nodeLabels": {"a/b/c": "x"}},
        {"nodeLabels": {"ok": "not legal"}},
        {"nodeLabels": {"ok": "x" * 64}},
        {"nodeLabels": {"ok": 1}},
        {"nodeLabels": ["ok"]},
        {"nodeLabels": {"kubernetes.azure.com/agentpool": "x"}},
        {"nodeTaints": ["sku=gpu"]},
        {"nodeTaints": ["sku=gpu:Never"]},
        {"nodeTaints": ["=gpu:NoSchedule"]},
        {"nodeTaints": [{"key": "sku"}]},
        {"nodeTaints": "sku=gpu:NoSchedule"},
        {"tags": {f"tag{number}": "" for number in range(51)}},
        {"tags": {"": "x"}},
        {"tags": {"a": "x" * 257}},
    ],
    ids=str,
)
def test_what_azure_does_not_take_is_refused(change: dict[str, JsonValue]) -> None:
    with pytest.raises(Refusal) as refused:
        check({**GOOD, **change})

    assert refused.value.status == 400


@pytest.mark.parametrize("character", list("<>%&\\?/"))
def test_a_tag_name_with_a_forbidden_character_is_refused(character: str) -> None:
    with pytest.raises(Refusal) as refused:
        check({**GOOD, "tags": {f"kaito.sh{character}claim": "x"}})

    assert refused.value.code == "InvalidTagNameCharacters"


@pytest.mark.parametrize("name", ["vmSize", "osType", "osDiskSizeGB", "type", "maxPods"])
def test_an_immutable_that_changes_is_refused_by_name(name: str) -> None:
    old = complete(GOOD, None)

    with pytest.raises(Refusal) as refused:
        validation.check_change(old, {**old, name: "other"})

    assert refused.value.code == "PropertyChangeNotAllowed"
    assert refused.value.target == f"properties.{name}"


def test_labels_taints_tags_and_count_may_change() -> None:
    old = complete(GOOD, None)

    validation.check_change(
        old, {**old, "nodeLabels": {"a": "b"}, "nodeTaints": [], "tags": {}, "count": 2}
    )


def test_the_words_of_the_provider_are_passed_over_in_a_request() -> None:
    given: dict[str, JsonValue] = {**GOOD, "provisioningState": "Failed", "eTag": "x"}

    assert not {"provisioningState", "eTag"} & complete(given, None).keys()


def test_no_disk_size_asks_for_the_default() -> None:
    sizes_given = [complete({**GOOD, "osDiskSizeGB": size}, None) for size in (0, None)]

    assert [properties["osDiskSizeGB"] for properties in sizes_given] == [128, 128]


@pytest.mark.parametrize("body", ["", "[]", "{", "{}", '{"properties": 1}'])
def test_a_body_without_properties_is_refused(body: str) -> None:
    with pytest.raises(Refusal) as refused:
        requested(body.encode())

    assert refused.value.code == "InvalidRequestContent"


def test_every_gpu_size_has_gpus_with_memory() -> None:
    table = sizes()

    gpus = {name: size for name, size in table.items() if name.startswith("Standard_N")}
    assert len(gpus) == 46
    assert all(size.gpus and size.gpu_memory_gib for size in gpus.values())
    assert table["Standard_NC12s_v3"].gpus == 2
    assert table["Standard_ND96isr_H200_v5"].gpu_memory_gib == 141
    assert table["Standard_D4s_v5"].gpus == 0
