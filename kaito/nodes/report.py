"""What nodes and claims say of their GPUs: kubelet, feature discovery and cloud speak there.

A table of instance types is frozen on the day it ships. These words are newer: where they give a
figure, it counts in the table's place, and whoever shows it says whose word it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kaito.api import labels
from kaito.catalog.sku import Sku
from kaito.kube.kinds import Node
from kaito.nodes.claim import Claim, claim_type

_MIB_PER_GIB = 1024
_NVIDIA = "NVIDIA"
_FIGURES = ("gpus", "gpu_memory_gib", "compute_capability", "model")


@dataclass(frozen=True, slots=True)
class Report:
    """What one node, or the claim for one, says of its GPUs.

    Attributes:
        by: who says it, in words.
        instance_type: of the node.
        gpus: how many; None where it does not say, as for each figure below.
        gpu_memory_gib: of each.
        compute_capability: CUDA's.
        model: maker and name; "" where it does not say.
    """

    by: str
    instance_type: str
    gpus: int | None = None
    gpu_memory_gib: float | None = None
    compute_capability: float | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """An instance type as it really is, as far as anybody says.

    Attributes:
        sku: its figures.
        by: who says those that are not the table's, in words; "" where the table says all.
    """

    sku: Sku
    by: str = ""

    @property
    def clause(self) -> str:
        """The second half of a sentence about these figures; "" where they are the table's."""
        return f"; so {self.by} says, not the table" if self.by else ""


def node_report(node: Node) -> Report:
    """What a node says: feature discovery first, then its kubelet, then the cloud's labels."""
    carried = node.metadata.labels
    type_ = carried.get(labels.INSTANCE_TYPE, "")
    return _report(f"node {node.metadata.name}", type_, carried, node.status.capacity)


def claim_report(claim: Claim) -> Report:
    """What the cloud says of the node that a claim is for, as soon as the claim is launched."""
    carried = claim.metadata.labels
    by = f"claim {claim.metadata.name}"
    return _report(by, claim_type(claim), carried, claim.status.capacity)


def measured(
    name: str, table: Mapping[str, Sku], nodes: Iterable[Node], claims: Iterable[Claim] = ()
) -> Measured | None:
    """An instance type as nodes of it, else claims for it, say that it is; else as the table does.

    Of several nodes, the least of each figure.

    Returns:
        None where neither the table nor anybody in the cluster gives count and memory.
    """
    said = _said(name, nodes, claims)
    known = table.get(name)
    if known is None:
        unknown = not {"gpus", "gpu_memory_gib"} <= said.keys()
        return None if unknown else Measured(_sku(name, said), _speakers(said))
    news = {
        figure: value
        for figure, value in said.items()
        if figure != "model" and value[0] != getattr(known, figure)
    }
    if not news:
        return Measured(known)
    changes = {figure: value for figure, (value, _) in news.items()}
    return Measured(known.model_copy(update=changes), _speakers(news))


_Said = Mapping[str, tuple[float | str, str]]
"""Figures by their names in `Sku`, each with who says it."""


def _said(name: str, nodes: Iterable[Node], claims: Iterable[Claim]) -> _Said:
    """Every figure of a type that anybody gives: the nodes' least, else the claims' least."""
    heard = [
        [one for one in group if one.instance_type == name]
        for group in (map(node_report, nodes), map(claim_report, claims))
    ]
    found: dict[str, tuple[float | str, str]] = {}
    for group in heard:
        for figure in _FIGURES:
            given = [(value, one.by) for one in group if (value := getattr(one, figure))]
            if given:
                found.setdefault(figure, min(given))
    return found


def _sku(name: str, said: _Said) -> Sku:
    """A type that is in no table; nvidia.com/gpu is what a count is of unless a maker is named."""
    figures = {figure: value for figure, (value, _) in said.items()}
    return Sku.model_validate({"model": f"{_NVIDIA} GPU", **figures, "name": name})


def _speakers(said: _Said) -> str:
    """Who gives the figures, each once."""
    return " and ".join(dict.fromkeys(by for _, by in said.values()))


def _report(
    by: str, instance_type: str, carried: Mapping[str, str], capacity: Mapping[str, str]
) -> Report:
    """What labels and capacity of one object say; the first that gives a figure has it."""
    mib = _first(carried, (labels.GPU_MEMORY, *labels.CLOUD_GPU_MEMORY))
    return Report(
        by=by,
        instance_type=instance_type,
        gpus=_first(carried, (labels.GPU_COUNT,))
        or _first(capacity, (labels.GPU,))
        or _first(carried, labels.CLOUD_GPU_COUNT),
        gpu_memory_gib=mib / _MIB_PER_GIB if mib else None,
        compute_capability=_capability(carried),
        model=_model(carried),
    )


def _first(texts: Mapping[str, str], keys: Iterable[str]) -> int | None:
    """The first of these that is a whole number above 0; 0 only says that it is too early."""
    found = (texts.get(key, "") for key in keys)
    return next((int(text) for text in found if text.isdecimal() and int(text)), None)


def _capability(carried: Mapping[str, str]) -> float | None:
    """CUDA compute capability, e.g. 7.5."""
    major, minor = carried.get(labels.GPU_MAJOR, ""), carried.get(labels.GPU_MINOR, "")
    if not (major.isdecimal() and minor.isdecimal()):
        return None
    return float(f"{major}.{minor}")


def _model(carried: Mapping[str, str]) -> str:
    """Maker and name of the GPU: a cloud names both, feature discovery knows NVIDIA's alone."""
    product = carried.get(labels.GPU_PRODUCT, "")
    if product:
        return f"{_NVIDIA} {product.removeprefix('NVIDIA-')}"
    for makers, names in labels.CLOUD_GPU_MODEL:
        maker, name = carried.get(makers, ""), carried.get(names, "")
        if maker:
            return f"{maker.upper()} {name}".rstrip()
    return ""
