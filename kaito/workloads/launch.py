"""The command line of a model server, as the GPUs at hand allow it."""

from __future__ import annotations

from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.sizing.answer import Fit
from kaito.sizing.fit import fit
from kaito.sizing.memory import USABLE_SHARE, usable_share

AUTO = "auto"
"""What servers take for a figure that they shall find themselves."""


def launch_command(preset: Preset, sku: Sku | None, *, nodes: int, gpus: int) -> list[str]:
    """The argument vector of the preset's server, every placeholder filled.

    It follows from figures of `sku` that stay, and not from what a node offers at this moment:
    pods must not roll because a label of a node came late.

    Args:
        preset: its first image is the one that runs.
        sku: type of the nodes; None where it is in no table, then the server finds its figures.
        nodes: count of nodes.
        gpus: GPUs of each node.
    """
    answer = fit(preset, sku, nodes=nodes) if sku else None
    share = usable_share(sku) if sku else USABLE_SHARE
    sizes = _parallel_sizes(answer, nodes=nodes, gpus=gpus)
    return preset.image.filled(
        {
            "tensor_parallel": str(sizes[0]),
            "pipeline_parallel": str(sizes[1]),
            "context_tokens": str((answer and answer.context_tokens) or AUTO),
            "dtype": (answer and answer.dtype) or AUTO,
            "memory_share": f"{float(share):g}",
        }
    )


def _parallel_sizes(answer: Fit | None, *, nodes: int, gpus: int) -> tuple[int, int]:
    """Tensor and pipeline parallel size; where sizing has none, all GPUs share each layer."""
    if answer and answer.tensor_parallel:
        return answer.tensor_parallel, answer.pipeline_parallel
    return gpus, nodes
