"""The answer to "does it fit?": numbers, and one sentence that is the same wherever it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaito.catalog.sku import Sku
from kaito.sizing.sentences import FOREIGN, OLD, REFUSAL

Basis = Literal["geometry", "stated"]


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a model fits an instance type, and how.

    Attributes:
        model: name of the preset.
        sku: name of the instance type.
        fits: whether it does.
        sentence: the answer with its numbers, for people.
        basis: what decided: arithmetic over the geometry, or the authors' stated requirement.
        nodes: count of nodes to use; 0 where it does not fit, as for all counts below.
        gpus: GPUs in use on all nodes.
        least_gpus: the fewest GPUs on as many nodes that hold the least context.
        tensor_parallel: GPUs that share each layer.
        pipeline_parallel: groups of whole layers.
        context_tokens: longest sequence; None where it is not computed.
        dtype: number format of the weights on this GPU.
        gpu_memory_gib: memory that each GPU has.
        needed_gib: memory that the fullest GPU needs for the least context, the run-time's share
            included; or all GPUs together, where the stated requirement decides.
    """

    model: str
    sku: str
    fits: bool
    sentence: str
    basis: Basis
    nodes: int = 0
    gpus: int = 0
    least_gpus: int = 0
    tensor_parallel: int = 0
    pipeline_parallel: int = 0
    context_tokens: int | None = None
    dtype: str = ""
    gpu_memory_gib: float = 0
    needed_gib: float = 0


def counted(count: int, noun: str) -> str:
    """A count and its noun, e.g. "1 GPU", "2 nodes"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def gib(amount: float) -> str:
    """GiB with at most two decimals."""
    return f"{round(amount, 2):g} GiB"


def hardware(sku: Sku, *, nodes: int) -> str:
    """What some nodes offer, e.g. "Standard_X has 2 GPUs with 16 GiB each"."""
    each = " each" if nodes * sku.gpus > 1 else ""
    many = f"{nodes} x " if nodes > 1 else ""
    gpus = counted(nodes * sku.gpus, "GPU")
    return f"{many}{sku.name} has {gpus} with {gib(sku.gpu_memory_gib)}{each}"


def foreign_fit(model: str, sku: Sku) -> Fit:
    """The answer on GPUs of another maker."""
    sentence = FOREIGN.format(name=model, offer=foreign(sku))
    return Fit(model, sku.name, fits=False, sentence=sentence, basis="stated")


def foreign(sku: Sku) -> str:
    """What a node with GPUs of another maker has."""
    return f"{sku.name} has {counted(sku.gpus, 'GPU')} of another kind ({sku.model})"


def old_fit(model: str, sku: Sku, *, least: float) -> Fit:
    """The answer on GPUs that the run-time does not know any more."""
    sentence = OLD.format(name=model, least=f"{least:g}", offer=old(sku))
    return Fit(model, sku.name, fits=False, sentence=sentence, basis="stated")


def old(sku: Sku) -> str:
    """Of what compute capability the GPUs of a node are."""
    return f"{sku.name} has {counted(sku.gpus, 'GPU')} of {sku.compute_capability:g} ({sku.model})"


def refusal(need: str, offer: str) -> str:
    """Why a model does not fit: what it needs, and what each node has.

    The two halves do not depend on each other, so that an admission policy can put together the
    same sentence from a table of each.
    """
    return REFUSAL.format(need=need, offer=offer)


def retirement(sku: Sku) -> str:
    """A second half of a sentence about a type that the cloud does not sell, else ""."""
    if sku.sold_as:
        return f"; the cloud knows no such name, use {sku.sold_as}"
    if sku.retired is None:
        return ""
    instead = f", use {sku.successor}" if sku.successor else ""
    return f"; the cloud stopped selling it on {sku.retired}{instead}"
