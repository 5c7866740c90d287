"""The verb fit: whether adapters that were pulled are for the model that is to serve them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lora.adapter import Adapter
from lora.fit import check_fit, shapes_of
from oci import report
from oci.item import FieldRefused, Item, naming


def misfits(items: Iterable[Item], folder: Path, weights: Path) -> list[str]:
    """What is said of each adapter that the model cannot serve, a line each.

    Args:
        items: of kind adapter.
        folder: holds a folder for each, of its name.
        weights: folder of the model.
    """
    shapes = shapes_of(weights)
    wrong = []
    for item in items:
        try:
            with naming(item):
                check_fit(Adapter.load(folder / item.name), shapes)
        except FieldRefused as refused:
            report.error("item.refused", field=item.field, reason=str(refused))
            wrong.append(str(refused))
        else:
            report.info("adapter.fitted", adapter=item.name)
    return wrong
