"""A GPU SKU: what a cloud sells under an instance type."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from kaito.catalog.entry import CatalogModel


class Sku(CatalogModel):
    """An instance type with GPUs.

    Attributes:
        name: the cloud's name of the instance type.
        gpus: number of GPUs.
        gpu_memory_gib: memory of each GPU, in GiB.
        model: name of the GPU, its maker first.
        compute_capability: CUDA compute capability, e.g. 7.0; None for makers without CUDA.
        retired: day on which the cloud stopped selling it.
        successor: instance type to use instead.
        sold_as: the cloud's own name, where this one is somebody else's and nothing has it.
    """

    name: str
    gpus: int = Field(ge=1)
    gpu_memory_gib: float = Field(gt=0)
    model: str
    compute_capability: float | None = Field(default=None, ge=1, le=20)
    retired: date | None = None
    successor: str | None = None
    sold_as: str | None = None

    @property
    def is_sold(self) -> bool:
        """Whether the cloud gives anybody a node for this name."""
        return self.retired is None and self.sold_as is None

    @property
    def has_cuda(self) -> bool:
        """Whether its GPUs are NVIDIA's, which all our run-times need."""
        return self.model.startswith("NVIDIA ")

    @property
    def total_memory_gib(self) -> float:
        """Memory of all GPUs together, in GiB."""
        return self.gpus * self.gpu_memory_gib
