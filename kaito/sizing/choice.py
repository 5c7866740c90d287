"""The smallest instance type that fits, for a Workspace that names none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from kaito.catalog.sku import Sku
from kaito.sizing.answer import Fit


def ranked(skus: Iterable[Sku], fit: Callable[[Sku], Fit]) -> tuple[tuple[Sku, Fit], ...]:
    """Instance types that fit, the smallest first.

    The order: fewest nodes, least GPU memory on all of them, fewest GPUs, newest GPU, smallest
    numbers in the name (CPUs), shortest name. Prices are not known here; memory is what one pays
    for.
    """
    answers = ((sku, fit(sku)) for sku in skus)
    fitting = ((sku, answer) for sku, answer in answers if answer.fits)
    return tuple(sorted(fitting, key=lambda pair: _rank(*pair)))


def smallest(skus: Iterable[Sku], fit: Callable[[Sku], Fit]) -> Fit | None:
    """The answer for the first in that order that is still sold; None where nothing fits."""
    found = ranked((sku for sku in skus if sku.is_sold), fit)
    return found[0][1] if found else None


def _rank(sku: Sku, answer: Fit) -> tuple[object, ...]:
    """Where a type stands in the order."""
    nodes = answer.nodes
    newness = -(sku.compute_capability or 0)
    numbers = tuple(int(number) for number in re.findall(r"[0-9]+", sku.name))
    size = (nodes, nodes * sku.total_memory_gib, nodes * sku.gpus)
    return (*size, newness, numbers, len(sku.name), sku.name)
