"""Command lines of model servers, for the GPUs that they get."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaito.catalog.catalog import Catalog, read_catalog
from kaito.workloads.launch import launch_command


@pytest.fixture(scope="module")
def ours() -> Catalog:
    return read_catalog(Path("presets"), origin="kaito")


@pytest.fixture(scope="module")
def theirs() -> Catalog:
    return read_catalog(Path("presets"), origin="upstream")


def flags(catalog: Catalog, model: str, type_: str, *, nodes: int = 1) -> dict[str, str]:
    """Flags and their values, for a model on nodes of a type; "" for a type that nobody knows."""
    sku = catalog.skus[type_] if type_ else None
    gpus = sku.gpus if sku else 4
    command = launch_command(catalog.presets[model], sku, nodes=nodes, gpus=gpus)
    words = " ".join(command).split(" ")
    return {name: value for name, _, value in (word.partition("=") for word in words) if value}


def test_two_gpus_share_each_layer_and_the_context_is_lowered_to_what_fits(ours: Catalog) -> None:
    # 94 x 0.84 - 2.3 GiB less half of 131.42 x 1.071 leave 6.285 GiB, at 163,840 bytes a token.
    found = flags(ours, "llama-3.3-70b-instruct", "Standard_NC80adis_H100_v5")

    assert found["--tensor-parallel-size"] == "2"
    assert found["--pipeline-parallel-size"] == "1"
    assert int(found["--max-model-len"]) == pytest.approx(41_190, abs=10)
    assert found["--gpu-memory-utilization"] == "0.84"
    assert found["--dtype"] == "bfloat16"


def test_an_a10_keeps_a_little_more_for_itself(ours: Catalog) -> None:
    assert (
        flags(ours, "qwen3.5-4b", "Standard_NV36ads_A10_v5")["--gpu-memory-utilization"] == "0.82"
    )


@pytest.mark.parametrize(
    ("type_", "dtype"), [("NC6s_v3", "float16"), ("NV36ads_A10_v5", "bfloat16")]
)
def test_a_gpu_below_8_0_is_not_asked_for_bfloat16(ours: Catalog, type_: str, dtype: str) -> None:
    found = flags(ours, "phi-3-mini-4k-instruct", f"Standard_{type_}")

    assert found["--torch-dtype"] == dtype


def test_a_shell_s_command_is_filled_too(theirs: Catalog) -> None:
    found = flags(theirs, "falcon-7b", "Standard_NC24ads_A100_v4")

    assert found["--torch_dtype"] == "bfloat16"


def test_on_a_type_that_no_table_has_the_server_finds_its_figures(theirs: Catalog) -> None:
    found = flags(theirs, "phi-4", "")

    assert found["--tensor-parallel-size"] == "4"
    assert found["--max-model-len"] == found["--dtype"] == "auto"


def test_json_on_a_command_line_is_left_alone(theirs: Catalog) -> None:
    found = flags(theirs, "phi-4", "Standard_NC24ads_A100_v4")

    assert found["--kv-events-config"] == '{"enable_kv_cache_events":true}'


def test_no_placeholder_is_left_on_any_type(ours: Catalog, theirs: Catalog) -> None:
    for catalog in (ours, theirs):
        for preset in catalog.models():
            for sku in catalog.skus.values():
                command = launch_command(preset, sku, nodes=1, gpus=sku.gpus)
                assert not any("{tensor" in word or "{dtype" in word for word in command)
                assert "--tensor-parallel-size=0" not in command
