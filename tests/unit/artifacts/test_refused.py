"""What the program refuses, and the one line that it leaves: field, what was said, remedy."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hack.cluster.slots import free_ports
from tests.ociregistry import damage
from tests.unit.artifacts.carrier import MODULE, TEAM, Carrier, Done, an_adapter
from tests.unit.artifacts.images import push_image

pytestmark = pytest.mark.timeout(180)

GONE = "k9#long-gone"
FIELD = "inference.adapters[0].source.image"


def pulled(carrier: Carrier, name: str, **more: object) -> Done:
    """A pull of one adapter into a new folder."""
    target = carrier.folder / "adapters"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    return carrier.run("pull", carrier.item(name, **more), to=target)


def said(carrier: Carrier, image: str, **more: object) -> str:
    """The note of a pull that is refused."""
    done = pulled(carrier, image, **more)
    assert done.code == 1
    assert done.note.startswith(f"{FIELD}: {carrier.image(image)}: ")
    assert "\n" not in done.note
    return done.note


def test_a_tag_that_is_not_there(carrier: Carrier) -> None:
    carrier.push(an_adapter(carrier.folder / "source"), "there:1")
    note = said(carrier, "there:2")
    assert "404" in note
    assert "MANIFEST_UNKNOWN" in note
    assert "check the repository and the tag" in note


def test_a_wrong_password_is_named_by_its_secret_and_never_told(carrier: Carrier) -> None:
    carrier.registry.secret(carrier.secrets / "old", password=GONE)
    done = pulled(carrier, "there:1", secrets=["old"])
    assert "401" in done.note
    assert "account 'kaito' of Secret old may not pull it" in done.note
    assert GONE not in done.note + json.dumps(done.events)


def test_a_secret_that_is_not_there(carrier: Carrier) -> None:
    note = said(carrier, "there:1", secrets=["nowhere"])
    assert "there is no Secret nowhere in the Workspace's namespace" in note
    assert "kubectl create secret docker-registry nowhere" in note


def test_no_secret_where_one_is_needed(carrier: Carrier) -> None:
    assert "no pull secret holds an account for" in said(carrier, "there:1", secrets=[])


def test_an_authority_that_nobody_trusts(carrier: Carrier) -> None:
    carrier.authority = carrier.registry.layout.arm_ca_certificate
    note = said(carrier, "there:1")
    assert "is not trusted" in note
    assert "--ca-bundle" in note


def test_a_rank_that_the_server_has_no_room_for(carrier: Carrier) -> None:
    carrier.push(an_adapter(carrier.folder / "wide", rank=9), "wide:1")
    target = carrier.folder / "adapters"
    target.mkdir()

    both = carrier.item("wide:1"), carrier.item("wide:1", name="other", field="the other")
    assert carrier.run("pull", both[0], to=target, max_rank=9).code == 0
    alone = carrier.run("pull", both[0], to=target, max_rank=8)
    together = carrier.run("pull", *both, to=target, max_rank=16)

    assert (alone.code, together.code) == (1, 1)
    assert f"{FIELD}: {carrier.image('wide:1')}: its rank is 9, and this server" in alone.note
    assert "has room for 8 at most: train it with a lower rank" in alone.note
    assert together.note.startswith("the other: ")
    assert "with it the ranks add up to 18" in together.note
    assert "take fewer adapters" in together.note


def test_a_registry_that_does_not_answer(carrier: Carrier) -> None:
    port = free_ports(15).registry
    note = pulled(carrier, "x", image=f"127.0.0.1:{port}/x:1").note
    assert "cannot be reached: " in note
    assert "refused" in note


@pytest.mark.parametrize(
    "image", ["registry.example/Upper:1", "registry.example/a:b:c", "a@sha256:1"]
)
def test_what_is_no_reference(carrier: Carrier, image: str) -> None:
    note = pulled(carrier, "", image=image).note
    assert "is no reference of an image" in note
    assert "HOST/REPOSITORY:TAG" in note


def test_an_image_without_an_adapter(carrier: Carrier) -> None:
    folder = an_adapter(carrier.folder / "source")
    (folder / "adapter_config.json").unlink()
    carrier.push(folder, "bare:1")
    assert "it holds no adapter_config.json" in said(carrier, "bare:1")


def test_a_pickle_is_not_read(carrier: Carrier) -> None:
    folder = an_adapter(carrier.folder / "source")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    carrier.push(folder, "pickle:1")
    note = said(carrier, "pickle:1")
    assert "may run code" in note
    assert "safe_serialization=True" in note


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "of the type 'PROMPT_TUNING' and not LORA"),
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole modules"),
        ({"r": 0}, "says r 0"),
        ({"rank_pattern": {"qkv_proj": 7}}, "says rank 7 and adapter_model.safetensors holds 2"),
    ],
    ids=["another kind", "dora", "whole modules", "no rank", "another rank"],
)
def test_an_adapter_that_cannot_be_weighed(
    carrier: Carrier, config: dict[str, Any], what: str
) -> None:
    carrier.push(an_adapter(carrier.folder / "source", **config), "odd:1")
    assert what in said(carrier, "odd:1")


def test_half_of_a_pair(carrier: Carrier) -> None:
    folder = an_adapter(carrier.folder / "source")
    weights = folder / "adapter_model.safetensors"
    tensors = load_file(weights)
    del tensors[f"base_model.model.{MODULE}.lora_B.weight"]
    save_file(tensors, weights)
    carrier.push(folder, "half:1")
    assert f"holds half of what base_model.model.{MODULE} needs" in said(carrier, "half:1")


def test_adapters_of_different_models(carrier: Carrier) -> None:
    other = an_adapter(carrier.folder / "other")
    tensors = load_file(other / "adapter_model.safetensors")
    name = f"base_model.model.{MODULE}.lora_A.weight"
    tensors[name] = np.zeros((2, 9), np.float32)
    save_file(tensors, other / "adapter_model.safetensors")
    carrier.push(an_adapter(carrier.folder / "one"), "mixed/one:1")
    carrier.push(other, "mixed/two:1")
    target = carrier.folder / "adapters"
    target.mkdir()
    items = (carrier.item(f"mixed/{name}:1", name=name) for name in ("one", "two"))
    done = carrier.run("pull", *items, to=target)
    assert done.code == 1
    assert "the adapters are of different models" in done.note


def test_a_layer_that_was_damaged(carrier: Carrier) -> None:
    carrier.push(an_adapter(carrier.folder / "source"), "damaged:1")
    layout = carrier.registry.layout
    digest = damage(layout, "damaged", "1")
    try:
        note = said(carrier, "damaged:1")
    finally:
        damage(layout, "damaged", "1")
    assert f"in place of {digest}" in note


def test_an_archive_that_reaches_out_of_its_folder_writes_nothing_there(carrier: Carrier) -> None:
    source = an_adapter(carrier.folder / "source")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path in source.iterdir():
            archive.add(path, f"../../../../{carrier.folder}/evil/{path.name}")
        link = tarfile.TarInfo("data/adapter_config.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    push_image(carrier, "evil:1", out.getvalue())
    done = pulled(carrier, "evil:1")
    assert not (carrier.folder / "evil").exists()
    config = carrier.folder / "adapters" / "legal" / "adapter_config.json"
    assert done.code == 0
    assert config.read_bytes() == (source / "adapter_config.json").read_bytes()


def test_several_adapters_in_one_image(carrier: Carrier) -> None:
    folder = carrier.folder / "source"
    for name in ("a", "b"):
        an_adapter(folder / name)
    carrier.push(folder, "several:1")
    assert "it holds several adapters (/data/a, /data/b)" in said(carrier, "several:1")


def test_everything_that_is_wrong_is_said_at_once(carrier: Carrier) -> None:
    carrier.push(an_adapter(carrier.folder / "source"), "fine:1")
    done = carrier.run(
        "check",
        carrier.item("fine:1"),
        carrier.item("gone:1", field="inference.adapters[1].source.image"),
        carrier.item("fine:1", field="inference.adapters[2].source.image", secrets=["nowhere"]),
    )
    assert done.code == 1
    assert "adapters[0]" not in done.note
    assert "adapters[1]" in done.note
    assert "adapters[2]" in done.note


def test_an_image_without_data_is_told_by_what_it_holds(carrier: Carrier) -> None:
    folder = carrier.folder / "set"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing")
    (folder / ".hidden.json").write_text("{}")
    carrier.push(folder, "notes:1")

    done = checked(carrier, "notes:1")

    assert done.code == 1
    assert done.note.startswith(f"tuning.input.image: {carrier.image('notes:1')}: ")
    assert "no file under /data is .parquet, .json, .jsonl, .ndjson or .csv" in done.note
    assert "it holds: .hidden.json, notes.txt" in done.note


def test_a_page_among_data_is_told_and_data_pass(carrier: Carrier) -> None:
    folder = carrier.folder / "set"
    folder.mkdir()
    for name, text in (("page", "<html>"), ("rows", '{"a": 1}')):
        (folder / "train.jsonl").write_text(text)
        carrier.push(folder, f"{name}:1")

    assert "/data/train.jsonl is neither parquet" in checked(carrier, "page:1").note
    assert (checked(carrier, "rows:1").code, checked(carrier, "rows:1").note) == (0, "")


def checked(carrier: Carrier, image: str) -> Done:
    """A look at a data set in an image."""
    return carrier.run("check", carrier.item(image, kind="data", field="tuning.input.image"))


def test_a_push_that_may_be_made_leaves_no_upload_behind(carrier: Carrier) -> None:
    before = len(carrier.registry.uploads)
    done = carrier.run("check", carrier.item("new/repository:1", kind="push"))
    assert (done.code, done.note) == (0, "")
    assert len(carrier.registry.uploads) == before


def test_a_push_that_may_not_be_made(carrier: Carrier) -> None:
    carrier.registry.secret(carrier.secrets / "old", password=GONE)
    item = carrier.item("new:1", kind="push", field="tuning.output.image", secrets=["old"])
    done = carrier.run("check", item)
    assert done.code == 1
    assert done.note.startswith("tuning.output.image: ")
    assert "may not push to it" in done.note
    assert TEAM not in done.note
