"""The shape of a model's network, and the sizes that follow from it. Exact integers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from kaito.catalog.entry import CatalogModel

GIB = 1024**3

KV_BYTES = 2
"""Bytes of one number of the KV cache: a 16-bit float, whatever the weights are stored as."""


class Geometry(CatalogModel):
    """What decides how much memory a model takes.

    Attributes:
        weights_gib: size of the weight files, published to two decimals.
        dtype: number format of the unquantized weights; "auto" where only the files say.
        quantization: method by which the weights were made smaller; None: not quantized.
        attention: how queries share keys and values; "mla" keeps one compressed row for all.
        layers: count of transformer blocks.
        hidden_size: width of the residual stream, in numbers.
        heads: count of query heads.
        kv_heads: count of key and value heads.
        head_size: numbers per head.
        kv_rank: numbers of the compressed row of MLA.
        rope_head_size: numbers of MLA's separate position part.
        context_tokens: longest sequence that the model was made for.
    """

    weights_gib: float = Field(gt=0)
    dtype: Literal["bfloat16", "float16", "auto"]
    quantization: str | None = None
    attention: Literal["mha", "gqa", "mqa", "mla"]
    layers: int = Field(ge=1)
    hidden_size: int = Field(ge=1)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    head_size: int = Field(ge=1)
    kv_rank: int | None = Field(default=None, ge=1)
    rope_head_size: int | None = Field(default=None, ge=1)
    context_tokens: int = Field(ge=1)

    @model_validator(mode="after")
    def _mla_is_complete(self) -> Geometry:
        """Compressed attention has two figures more, and only it."""
        compressed = self.kv_rank is not None and self.rope_head_size is not None
        if compressed != (self.attention == "mla"):
            raise ValueError("kv_rank and rope_head_size belong to attention: mla, both of them")
        return self

    @property
    def weights_bytes(self) -> int:
        """Size of the weights."""
        return round(self.weights_gib * GIB)

    @property
    def kv_bytes_per_token(self) -> int:
        """Size of one token in the KV cache, in all layers and heads."""
        return self.layers * self.kv_row_bytes * self.kv_shards

    @property
    def kv_row_bytes(self) -> int:
        """What one token takes in one layer on a GPU that keeps a single KV head."""
        if self.kv_rank is not None and self.rope_head_size is not None:
            return (self.kv_rank + self.rope_head_size) * KV_BYTES
        return 2 * self.head_size * KV_BYTES

    @property
    def kv_shards(self) -> int:
        """Into how many parts the KV cache of one layer can be cut: MLA's cannot."""
        return 1 if self.attention == "mla" else self.kv_heads
