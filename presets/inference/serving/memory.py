"""How large the KV cache may be: out of a limit that is known, never out of what is free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LIBRARIES_BYTES = 1024**3
"""What interpreter, libraries and the largest activations take beside weights and cache."""
SHARE = 0.8
"""Of what is left of the limit; the rest is for what nobody counted."""
UNLIMITED_BYTES = 4 * 1024**3
"""The budget of a process that has no limit."""
PAGE_TOKENS = 256
INDEX_BYTES = 8
CGROUPS = Path("/sys/fs/cgroup")
LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")
NO_LIMIT_BYTES = 2**60
"""The first version of cgroups has a huge number in place of the word."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What one token costs in a model."""

    layers: int
    kv_heads: int
    heads: int
    head_size: int
    value_bytes: int

    @property
    def cached_bytes(self) -> int:
        """One token in the cache: a key and a value in each layer."""
        return 2 * self.layers * self.kv_heads * self.head_size * self.value_bytes

    @property
    def read_bytes(self) -> int:
        """One token while it is read: its copy for the heads of one layer, and its index."""
        copied = (2 * self.heads + self.kv_heads) * self.head_size * self.value_bytes
        return copied + INDEX_BYTES


def container_limit_bytes(folder: Path = CGROUPS) -> int | None:
    """The memory limit of this container; None where there is none."""
    for name in LIMIT_FILES:
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < NO_LIMIT_BYTES:
            return int(text)
    return None


def budget_bytes(limit_bytes: int | None, weights_bytes: int) -> int:
    """What cache and batches may take beside the weights; 0 where nothing is left."""
    if limit_bytes is None:
        return UNLIMITED_BYTES
    return max(0, int((limit_bytes - weights_bytes - LIBRARIES_BYTES) * SHARE))


def cache_pages(budget: int, geometry: Geometry, *, batch_tokens: int, most_tokens: int) -> int:
    """How many pages of PAGE_TOKENS tokens the cache has.

    Args:
        budget: for everything that grows with the cache, in bytes.
        geometry: what one token costs.
        batch_tokens: tokens of one batch; each has a row in the mask over the whole cache.
        most_tokens: more than these are never used at once.

    Raises:
        MemoryError: not even one page fits.
    """
    mask_row = batch_tokens * geometry.value_bytes
    token_bytes = geometry.cached_bytes + geometry.read_bytes + mask_row
    # Besides the pages that are counted, the library keeps two that catch what is not kept.
    fixed = batch_tokens * (mask_row + geometry.read_bytes)
    fixed += 2 * PAGE_TOKENS * geometry.cached_bytes
    pages = min((budget - fixed) // (token_bytes * PAGE_TOKENS), -(-most_tokens // PAGE_TOKENS))
    if pages < 1:
        raise MemoryError(
            f"{budget} bytes are left for the KV cache; one page takes "
            f"{fixed + token_bytes * PAGE_TOKENS}: raise the memory limit or lower "
            "--max-batch-tokens"
        )
    return pages
