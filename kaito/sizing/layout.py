"""How a model is cut over GPUs: tensor parallel in a layer, pipeline parallel between layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kaito.catalog.geometry import Geometry

Parallel = Literal["none", "layers", "tensor"]
"""How a server uses several GPUs: not, whole layers on each, or each layer cut."""

MAX_NODES = 8
"""More nodes than this make a pipeline that mostly waits; nobody's preset asks for more."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to cut a model.

    Attributes:
        nodes: count of nodes, each with the same share.
        tensor: GPUs that share each layer; on one node.
        stages: groups of whole layers on each node.
    """

    nodes: int
    tensor: int
    stages: int

    @property
    def pipeline(self) -> int:
        """Groups of whole layers over all nodes: the pipeline parallel size."""
        return self.nodes * self.stages

    @property
    def gpus(self) -> int:
        """GPUs in use, on all nodes."""
        return self.tensor * self.pipeline

    def layers(self, geometry: Geometry) -> int:
        """Layers on the fullest GPU: they do not always divide evenly."""
        return -(-geometry.layers // self.pipeline)


def layouts(geometry: Geometry, parallel: Parallel, *, gpus: int, nodes: int) -> Iterator[Layout]:
    """Every layout of `geometry` on exactly `nodes` nodes with `gpus` GPUs each, fewest GPUs first.

    Args:
        geometry: the model.
        parallel: what its server can do; only "tensor" spans nodes.
        gpus: of one node.
        nodes: count.
    """
    if nodes > 1 and parallel != "tensor":
        return
    sizes = _tensor_sizes(geometry, gpus) if parallel == "tensor" else (1,)
    found = [
        Layout(nodes, tensor, stages)
        for tensor in sizes
        for stages in range(1, 1 + (gpus // tensor if parallel != "none" else 1))
        if nodes * stages <= geometry.layers
    ]
    yield from sorted(found, key=lambda layout: (layout.gpus, layout.stages))


def _tensor_sizes(geometry: Geometry, gpus: int) -> tuple[int, ...]:
    """Sizes up to `gpus` that divide the heads, and divide or copy the KV heads evenly."""
    kv_heads = geometry.kv_shards
    return tuple(
        size
        for size in range(1, gpus + 1)
        if geometry.heads % size == 0 and (kv_heads % size == 0 or size % kv_heads == 0)
    )
