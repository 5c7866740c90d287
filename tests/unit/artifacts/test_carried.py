"""Adapters that travel through a registry and come out as they shall be served."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from tests.unit.artifacts.carrier import MODULE, Carrier, an_adapter

pytestmark = pytest.mark.timeout(180)


def update(folder: Path, module: str = MODULE) -> NDArray[np.float64]:
    """What an adapter adds to the weight of a module, by the definition of LoRA."""
    config = json.loads((folder / "adapter_config.json").read_text())
    tensors = load_file(folder / "adapter_model.safetensors")
    down, up = (tensors[f"base_model.model.{module}.lora_{half}.weight"] for half in "AB")
    product: NDArray[np.float64] = up.astype(float) @ down.astype(float)
    return product * float(config["lora_alpha"] / config["r"])


@pytest.mark.parametrize("kind", ["image", "artifact"])
def test_what_was_pushed_is_pulled_again_to_the_byte(carrier: Carrier, kind: str) -> None:
    source = an_adapter(carrier.folder / "source")
    pushed = carrier.push(source, f"whole/{kind}:1", kind=kind)
    target = carrier.folder / "adapters"
    target.mkdir()
    pulled = carrier.run("pull", carrier.item(f"whole/{kind}:1"), to=target)
    assert (pushed.code, pulled.code, pulled.note) == (0, 0, "")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (target / "legal" / name).read_bytes() == (source / name).read_bytes()
    assert [line["adapter"] for line in pulled.named("adapter.pulled")] == ["legal"]


def test_the_same_files_have_the_same_digest_and_can_be_pulled_by_it(carrier: Carrier) -> None:
    source = an_adapter(carrier.folder / "source")
    first, second = (carrier.push(source, f"same/{name}:1") for name in ("one", "two"))
    digest = json.loads(first.note)["digest"]
    assert json.loads(second.note)["digest"] == digest
    target = carrier.folder / "adapters"
    target.mkdir()
    assert carrier.run("pull", carrier.item(f"same/one@{digest}"), to=target).code == 0


@pytest.mark.parametrize("strength", [1.0, 0.5, 0.0])
def test_a_strength_scales_the_update(carrier: Carrier, strength: float) -> None:
    source = an_adapter(carrier.folder / "source")
    carrier.push(source, "scaled:1")
    target = carrier.folder / "adapters"
    target.mkdir()
    carrier.run("pull", carrier.item("scaled:1", strength=strength), to=target)
    np.testing.assert_allclose(update(target / "legal"), strength * update(source), rtol=1e-6)
    np.testing.assert_allclose(update(target / ".merged"), strength * update(source), rtol=1e-6)


def test_the_merged_adapter_is_the_weighted_sum_of_all(carrier: Carrier) -> None:
    one = an_adapter(carrier.folder / "one", seed=1)
    two = an_adapter(carrier.folder / "two", seed=2, rank=3, use_rslora=False, lora_alpha=9)
    carrier.push(one, "sum/one:1")
    carrier.push(two, "sum/two:1")
    target = carrier.folder / "adapters"
    target.mkdir()
    done = carrier.run(
        "pull",
        carrier.item("sum/one:1", name="one", strength=0.25),
        carrier.item("sum/two:1", name="two"),
        to=target,
    )
    assert done.code == 0
    expected = 0.25 * update(one) + update(two)
    np.testing.assert_allclose(update(target / ".merged"), expected, rtol=1e-5)


def test_a_restarted_pull_begins_anew(carrier: Carrier) -> None:
    carrier.push(an_adapter(carrier.folder / "source"), "again:1")
    target = carrier.folder / "adapters"
    (target / "left").mkdir(parents=True)
    for _ in range(2):
        assert carrier.run("pull", carrier.item("again:1", strength=0.5), to=target).code == 0
    assert sorted(path.name for path in target.iterdir()) == [".merged", "legal"]


def test_as_they_are_nothing_is_weighed_or_merged(carrier: Carrier) -> None:
    source = an_adapter(carrier.folder / "source")
    carrier.push(source, "plain:1")
    target = carrier.folder / "adapters"
    target.mkdir()
    item = carrier.item("plain:1", strength=0.5)
    assert carrier.run("pull", item, to=target, as_they_are=True).code == 0
    assert [path.name for path in target.iterdir()] == ["legal"]
    np.testing.assert_array_equal(update(target / "legal"), update(source))


def test_modules_that_differ_in_rank_and_factor_come_out_with_one_of_each(carrier: Carrier) -> None:
    source, other = carrier.folder / "source", "model.layers.0.self_attn.o_proj"
    source = an_adapter(source, rank_pattern={"o_proj": 3}, alpha_pattern={"o_proj": 9})
    numbers = np.random.default_rng(1)
    down, up = numbers.normal(size=(3, 5)), numbers.normal(size=(3, 3))
    tensors = load_file(source / "adapter_model.safetensors")
    for half, value in {"A": down, "B": up}.items():
        tensors[f"base_model.model.{other}.lora_{half}.weight"] = value.astype(np.float32)
    save_file(tensors, source / "adapter_model.safetensors")
    carrier.push(source, "patterned:1")
    target = carrier.folder / "adapters"
    target.mkdir()

    assert carrier.run("pull", carrier.item("patterned:1", strength=0.5), to=target).code == 0

    config = json.loads((target / "legal" / "adapter_config.json").read_text())
    assert not {"rank_pattern", "alpha_pattern"} & config.keys()
    for name in ("legal", ".merged"):
        found = update(target / name, MODULE), update(target / name, other)
        np.testing.assert_allclose(found[0], 0.5 * update(source), rtol=1e-5)
        np.testing.assert_allclose(found[1], 0.5 * (9 / 3) * up @ down, rtol=1e-5)


def test_the_log_of_a_pull_says_how_far_a_large_layer_is(carrier: Carrier) -> None:
    source, target = carrier.folder / "source", carrier.folder / "target"
    source.mkdir()
    target.mkdir()
    size = (64 << 20) + 5
    with (source / "rows.json").open("wb") as file:
        file.truncate(size)
    carrier.push(source, "large:1", kind="artifact")

    pulled = carrier.run("pull", carrier.item("large:1", kind="data"), to=target)

    (told,) = pulled.named("layer.progressed")
    (fetched,) = pulled.named("layer.fetched")
    assert told["bytes"] == 64 << 20
    assert told["of"] == fetched["bytes"] == size
    assert told["digest"] == fetched["digest"]
    assert (target / "rows.json").stat().st_size == size
