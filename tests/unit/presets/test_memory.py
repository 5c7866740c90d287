"""How large the KV cache becomes: out of the limit, and never more than is of use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving.memory import Geometry, budget_bytes, cache_pages, container_limit_bytes

GIB = 1024**3
PHI_3_MINI = Geometry(layers=32, kv_heads=32, heads=32, head_size=96, value_bytes=2)
"""Of microsoft/Phi-3-mini-4k-instruct in bfloat16: 384 KiB a token, as its model card says."""


def test_a_token_of_phi_3_mini_takes_384_kib() -> None:
    assert PHI_3_MINI.cached_bytes == 384 * 1024


def test_a_limit_leaves_what_weights_and_libraries_do_not_take() -> None:
    assert budget_bytes(17 * GIB, 6 * GIB) == 8 * GIB
    assert budget_bytes(6 * GIB, 6 * GIB) == 0


def test_without_a_limit_the_budget_is_fixed() -> None:
    assert budget_bytes(None, 6 * GIB) == budget_bytes(None, 60 * GIB) == 4 * GIB


@given(st.integers(1, 64 * GIB), st.sampled_from((64, 512, 2048)), st.integers(1, 1_000_000))
def test_the_cache_and_its_mask_stay_within_the_budget(
    budget: int, batch_tokens: int, most_tokens: int
) -> None:
    try:
        pages = cache_pages(budget, PHI_3_MINI, batch_tokens=batch_tokens, most_tokens=most_tokens)
    except MemoryError:
        return
    tokens = pages * 256
    taken = tokens * PHI_3_MINI.cached_bytes + batch_tokens * (tokens + batch_tokens) * 2
    assert taken <= budget
    assert tokens < most_tokens + 256


def test_no_room_for_a_page_is_said_in_numbers() -> None:
    with pytest.raises(MemoryError, match="1000 bytes are left for the KV cache"):
        cache_pages(1000, PHI_3_MINI, batch_tokens=512, most_tokens=4096)


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("memory.max", "2147483648\n", 2 * GIB),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "1073741824\n", GIB),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("elsewhere", "1\n", None),
    ],
)
def test_the_limit_is_read_from_either_version_of_cgroups(
    tmp_path: Path, name: str, text: str, limit: int | None
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)

    assert container_limit_bytes(tmp_path) == limit
