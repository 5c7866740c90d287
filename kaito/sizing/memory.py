"""GPU memory: what a model takes on the fullest GPU, and what a GPU has to give. Exact bytes.

Upstream's measured figures (its release 0.12): a server may use 84 % of a GPU, 82 % of an A10; the
run-time takes 2.3 GiB of that; weights grow by 2 % when loaded; activations take 5 % of them.
"""

from __future__ import annotations

from fractions import Fraction

from kaito.catalog.geometry import GIB, Geometry
from kaito.catalog.sku import Sku
from kaito.sizing.layout import Layout

USABLE_SHARE = Fraction(84, 100)
A10_USABLE_SHARE = Fraction(82, 100)
RUNTIME_BYTES = 23 * GIB // 10
LOADED_SHARE = Fraction(102, 100) * Fraction(105, 100)
"""Loaded weights and activations, as a share of the weight files."""

LEAST_CONTEXT_TOKENS = 2048
"""A model fits when its weights do, and one sequence of this length."""


def usable_share(sku: Sku) -> Fraction:
    """Which part of a GPU a server may use, the run-time's own included."""
    return A10_USABLE_SHARE if sku.model == "NVIDIA A10" else USABLE_SHARE


def usable_bytes(sku: Sku) -> int:
    """What one GPU has for weights, activations and the KV cache."""
    return int(Fraction(sku.gpu_memory_gib) * GIB * usable_share(sku)) - RUNTIME_BYTES


def loaded_bytes(geometry: Geometry, layout: Layout) -> int:
    """Weights and activations on the fullest GPU."""
    share = Fraction(layout.layers(geometry), geometry.layers * layout.tensor)
    return -int(-geometry.weights_bytes * LOADED_SHARE * share // 1)


def kv_bytes_per_token(geometry: Geometry, layout: Layout) -> int:
    """What one token of one sequence takes on the fullest GPU."""
    shards = -(-geometry.kv_shards // layout.tensor)
    return layout.layers(geometry) * shards * geometry.kv_row_bytes


def held_tokens(geometry: Geometry, layout: Layout, sku: Sku) -> int:
    """The longest single sequence that fits, at most the model's own; below 1: the weights do not.

    A longer sequence never fits where a shorter one does not: a token has one price.
    """
    free = usable_bytes(sku) - loaded_bytes(geometry, layout)
    return min(free // kv_bytes_per_token(geometry, layout), geometry.context_tokens)


def needed_bytes(geometry: Geometry, layout: Layout, *, tokens: int) -> int:
    """Memory of the fullest GPU for one sequence of `tokens`, without the run-time's own."""
    return loaded_bytes(geometry, layout) + tokens * kv_bytes_per_token(geometry, layout)
