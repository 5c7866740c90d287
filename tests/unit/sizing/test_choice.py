"""In which order instance types are chosen: each rule with two that nobody sells."""

from __future__ import annotations

from datetime import date

import pytest

from kaito.catalog.sku import Sku
from kaito.sizing.answer import Fit
from kaito.sizing.choice import ranked, smallest

ONE = Sku(name="T8", gpus=2, gpu_memory_gib=24, model="NVIDIA T", compute_capability=8.0)
OLD = date(2020, 1, 1)


def on(sku: Sku) -> Fit:
    """An answer that needs as many nodes as the maker's name says, and none of a misfit."""
    nodes = int(sku.model.removeprefix("NVIDIA T") or 1)
    return Fit("m", sku.name, fits=nodes > 0, sentence="", basis="geometry", nodes=nodes)


def like(**changes: object) -> Sku:
    """`ONE` with something else."""
    return ONE.model_copy(update=changes)


TIES = [
    pytest.param(
        like(gpus=8, gpu_memory_gib=80, name="T9"), like(model="NVIDIA T2"), id="fewest nodes"
    ),
    pytest.param(
        like(gpus=4, gpu_memory_gib=10, name="T9"), ONE, id="least memory, with more GPUs"
    ),
    pytest.param(
        like(model="NVIDIA T2", gpu_memory_gib=20),
        like(model="NVIDIA T2", name="T4"),
        id="least memory on all nodes",
    ),
    pytest.param(
        like(gpus=1, gpu_memory_gib=48, compute_capability=7.0, name="T9"),
        ONE,
        id="fewest GPUs, though older",
    ),
    pytest.param(like(compute_capability=9.0, name="T9"), ONE, id="newest GPU, with larger number"),
    pytest.param(ONE, like(compute_capability=None, name="T1"), id="an unknown age is the oldest"),
    pytest.param(like(name="Tlarge8"), like(name="T16"), id="numbers are numbers, before length"),
    pytest.param(like(name="T8_v1"), like(name="T8_v2"), id="the second number"),
    pytest.param(like(name="Z8"), like(name="Aa8"), id="shortest name, before the alphabet"),
    pytest.param(like(name="A8"), like(name="B8"), id="the alphabet"),
]


@pytest.mark.parametrize(("first", "second"), TIES)
def test_of_two_types_the_smaller_comes_first_in_whatever_order_they_are_given(
    first: Sku, second: Sku
) -> None:
    for given in ((first, second), (second, first)):
        found = smallest(given, on)

        assert [sku.name for sku, _ in ranked(given, on)] == [first.name, second.name]
        assert found is not None
        assert found.sku == first.name


def test_a_type_that_does_not_fit_or_is_not_sold_is_not_chosen() -> None:
    gone, misfit = like(name="T1", retired=OLD), like(name="T2", model="NVIDIA T0")
    misspelt = like(name="T3", sold_as="T8")
    table = (gone, misfit, misspelt, ONE)

    found = smallest(table, on)

    assert found is not None
    assert found.sku == "T8"
    assert [sku.name for sku, _ in ranked(table, on)] == ["T1", "T3", "T8"]
    assert smallest((gone, misfit, misspelt), on) is None
