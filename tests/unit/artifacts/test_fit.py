"""Adapters beside the weights that they are for: which are refused before a server starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.unit.artifacts.carrier import MODULE, Carrier, Done, an_adapter

pytestmark = pytest.mark.timeout(60)

FIELD = "inference.adapters[0].source.image"
HEAD = "lm_head.weight"


def fitted(carrier: Carrier, kind: type = np.float32, **shapes: tuple[int, ...]) -> Done:
    """What is said of one adapter, 3 wide and 5 high, beside weights of these shapes."""
    weights = carrier.folder / "weights"
    weights.mkdir()
    names = {"here": f"{MODULE}.weight", "elsewhere": "transformer.h.0.attn.q_proj.weight"}
    for word, shape in shapes.items():
        save_file({names[word]: np.zeros(shape, kind)}, weights / f"{word}.safetensors")
    save_file({HEAD: np.zeros((7, 3), np.float32)}, weights / "head.safetensors")
    to = carrier.folder / "adapters"
    an_adapter(to / "legal", base_model_name_or_path="someone/other-7b")
    return carrier.run("fit", carrier.item("legal:1"), to=to, weights=weights)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)], ids=["as linear layers", "the other way round"])
def test_an_adapter_of_the_model_fits(carrier: Carrier, shape: tuple[int, int]) -> None:
    done = fitted(carrier, here=shape)

    assert (done.code, done.note) == (0, "")
    assert [line["adapter"] for line in done.named("adapter.fitted")] == ["legal"]


def test_other_dimensions_are_named_with_both_sizes_and_the_models_name(carrier: Carrier) -> None:
    done = fitted(carrier, here=(8, 4))

    assert done.code == 1
    assert done.note.startswith(f"{FIELD}: {carrier.image('legal:1')}: it does not fit the model: ")
    assert "5 x 3" in done.note
    assert "8 x 4" in done.note
    assert "it was trained on someone/other-7b" in done.note
    assert "preset" in done.note


def test_modules_that_the_model_does_not_have_are_named(carrier: Carrier) -> None:
    done = fitted(carrier, elsewhere=(5, 3))

    assert done.code == 1
    assert f"it changes {MODULE}, which the model does not have" in done.note


def test_packed_weights_are_left_to_the_server(carrier: Carrier) -> None:
    done = fitted(carrier, np.uint8, here=(8, 1))

    assert (done.code, done.note) == (0, "")


def test_weights_that_cannot_be_read_are_left_to_the_server(
    carrier: Carrier, tmp_path: Path
) -> None:
    weights = tmp_path / "unread"
    weights.mkdir()
    for name, content in {
        "short": b"x",
        "long": b"\xff" * 9,
        "text": b"\x02" + bytes(7) + b"{x",
    }.items():
        (weights / f"{name}.safetensors").write_bytes(content)
    an_adapter(carrier.folder / "adapters" / "legal")

    done = carrier.run(
        "fit", carrier.item("legal:1"), to=carrier.folder / "adapters", weights=weights
    )

    assert (done.code, done.note) == (0, "")


def test_every_adapter_that_does_not_fit_is_said(carrier: Carrier, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    save_file({f"{MODULE}.weight": np.zeros((9, 9), np.float32)}, weights / "model.safetensors")
    items = []
    for number, name in enumerate(("one", "two")):
        an_adapter(carrier.folder / "adapters" / name)
        items.append(carrier.item(f"{name}:1", name=name, field=f"adapters[{number}]"))

    done = carrier.run("fit", *items, to=carrier.folder / "adapters", weights=weights)

    assert done.note.startswith("adapters[0]: ")
    assert "; adapters[1]: " in done.note
