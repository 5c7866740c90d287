"""What holds for every model and every GPU, not only for those that there are."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kaito.catalog.catalog import read_catalog
from kaito.catalog.geometry import GIB, Geometry
from kaito.catalog.preset import Image, Preset
from kaito.catalog.sku import Sku
from kaito.sizing.fit import fit
from kaito.sizing.layout import layouts
from kaito.sizing.memory import held_tokens

PROPERTY = settings(deadline=None, max_examples=200, derandomize=True, database=None)
"""The same examples on every run: a change to the code is what makes one fail."""

MODELS = tuple(model for model in read_catalog(Path("presets")).models() if model.geometry)

shipped = st.sampled_from([model.geometry for model in MODELS if model.geometry])


@st.composite
def invented(draw: st.DrawFn) -> Geometry:
    """A model that nobody has made yet."""
    kv_heads = draw(st.sampled_from([1, 2, 4, 5, 8, 10]))
    return Geometry(
        weights_gib=draw(st.floats(0.5, 900)),
        dtype="bfloat16",
        attention="gqa",
        layers=draw(st.integers(1, 120)),
        hidden_size=4096,
        heads=kv_heads * draw(st.integers(1, 12)),
        kv_heads=kv_heads,
        head_size=draw(st.sampled_from([64, 128, 256])),
        context_tokens=draw(st.integers(512, 1_048_576)),
    )


geometries = shipped | invented()
parallels = st.sampled_from(["none", "layers", "tensor"])
memories = st.integers(4, 192)
counts = st.sampled_from([1, 2, 3, 4, 6, 8, 16])


def preset(geometry: Geometry, parallel: str) -> Preset:
    """A preset of that model."""
    image = Image.model_validate(
        {
            "repository": "m",
            "tag": "1",
            "parallel": parallel,
            "command": ("serve",),
            "port": 5000,
            "disk_storage": "50Gi",
            "readiness_timeout_seconds": 60,
        }
    )
    return Preset(name="m", distributed=True, images=(image,), geometry=geometry)


def sku(gpus: int, memory: float) -> Sku:
    """A type that nobody sells."""
    return Sku(name="T", gpus=gpus, gpu_memory_gib=memory, model="NVIDIA T", compute_capability=8.0)


@PROPERTY
@given(geometries, parallels, counts, memories, st.integers(0, 64))
def test_more_memory_on_each_gpu_never_needs_more(
    geometry: Geometry, parallel: str, gpus: int, memory: int, more: int
) -> None:
    model = preset(geometry, parallel)
    small, large = fit(model, sku(gpus, memory)), fit(model, sku(gpus, memory + more))

    assert large.fits or not small.fits
    if small.fits:
        assert large.nodes <= small.nodes
        assert large.nodes * gpus <= small.nodes * gpus
        assert large.nodes < small.nodes or large.least_gpus <= small.least_gpus


@PROPERTY
@given(geometries, parallels, counts, memories, st.integers(1, 200_000), st.integers(1, 200_000))
def test_a_longer_context_never_fits_where_a_shorter_does_not(
    geometry: Geometry, parallel: str, gpus: int, memory: int, one: int, other: int
) -> None:
    model, place = preset(geometry, parallel), sku(gpus, memory)
    short, long = sorted((one, other))

    if fit(model, place, nodes=1, tokens=long).fits:
        assert fit(model, place, nodes=1, tokens=short).fits


@PROPERTY
@given(geometries, parallels, counts, memories)
def test_parallel_sizes_divide_the_heads_and_stay_on_the_gpus(
    geometry: Geometry, parallel: str, gpus: int, memory: int
) -> None:
    found = fit(preset(geometry, parallel), sku(gpus, memory))

    if found.fits:
        assert geometry.heads % found.tensor_parallel == 0
        assert found.pipeline_parallel <= geometry.layers
        assert found.pipeline_parallel % found.nodes == 0
        assert found.tensor_parallel * found.pipeline_parallel == found.gpus <= found.nodes * gpus
        assert found.least_gpus <= found.nodes * gpus
        if parallel == "none":
            assert found.gpus == 1


@PROPERTY
@given(geometries, parallels, counts, memories)
def test_the_gpus_in_use_have_the_memory_for_weights_and_context(
    geometry: Geometry, parallel: str, gpus: int, memory: int
) -> None:
    found = fit(preset(geometry, parallel), sku(gpus, memory))

    if found.fits:
        assert found.context_tokens is not None
        assert min(2048, geometry.context_tokens) <= found.context_tokens <= geometry.context_tokens
        kv = 2 * geometry.kv_heads * geometry.head_size * geometry.layers * 2
        if geometry.kv_rank and geometry.rope_head_size:
            kv = (geometry.kv_rank + geometry.rope_head_size) * geometry.layers * 2
        held = geometry.weights_gib * GIB + kv * found.context_tokens
        assert held <= found.gpus * memory * GIB
        assert found.needed_gib <= memory


@PROPERTY
@given(invented(), counts, memories, st.integers(1, 3))
def test_a_cut_over_more_gpus_of_the_same_kind_holds_no_less(
    geometry: Geometry, gpus: int, memory: int, nodes: int
) -> None:
    cuts = list(layouts(geometry, "tensor", gpus=gpus, nodes=nodes))
    flat = [cut for cut in cuts if cut.stages == 1]
    held = [held_tokens(geometry, cut, sku(gpus, memory)) for cut in flat]

    assert held == sorted(held)
