"""The artifacts image: its program carries from its own file system, and it is released whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from hack.images.build import ARTIFACTS, Workshop
from hack.images.pins import RELEASED, pin
from hack.images.registry import push
from hack.images.sandbox import Sandbox
from tests.image import bills
from tests.image.kustomize import DIGEST, overlays, rendered
from tests.ociregistry import OciRegistry
from tests.rules.tree import ROOT
from tests.unit.artifacts.carrier import Carrier, an_adapter

LOCK = ROOT / ARTIFACTS.lock
WRONG = "not this one"
PROGRAM = "/workspace/artifacts/artifacts.py"


class Contained(Carrier):
    """Runs the program in its image, beside what a pod would mount."""

    def __init__(self, registry: OciRegistry, folder: Path, image: Sandbox) -> None:
        super().__init__(registry, folder)
        self._image = replace(image, shared=(folder,), is_networked=True)
        self.authority = folder / "ca.crt"
        shutil.copy(registry.authority, self.authority)

    def command(self, verb: str, *items: Mapping[str, object], **options: object) -> list[str]:
        """Its command line, in the image."""
        _, _, *words = super().command(verb, *items, **options)
        return self._image.command("python", PROGRAM, *words)


@pytest.mark.parametrize("words", ARTIFACTS.tried, ids=lambda words: words[1])
def test_what_its_containers_run_starts(carrier_image: Sandbox, words: tuple[str, ...]) -> None:
    done = carrier_image.run(*words)

    assert done.returncode == 0, done.stderr


def test_it_pushes_an_adapter_and_pulls_it_at_its_strength(
    carrier_image: Sandbox, registry: OciRegistry, tmp_path: Path
) -> None:
    carrier = Contained(registry, tmp_path, carrier_image)
    folder, volume = an_adapter(tmp_path / "adapter"), tmp_path / "volume"
    volume.mkdir()

    pushed = carrier.push(folder, "team/adapter:1")
    pulled = carrier.run("pull", carrier.item("team/adapter:1", strength="0.5"), to=volume)

    assert (pushed.code, pulled.code) == (0, 0), (pushed.note, pulled.note)
    before = load_file(folder / "adapter_model.safetensors")
    after = load_file(volume / "legal" / "adapter_model.safetensors")
    for name, numbers in before.items():
        strength = 0.5 if "lora_B" in name else 1.0
        np.testing.assert_allclose(after[name], strength * numbers, rtol=1e-6)


def test_it_says_which_password_is_wrong(
    carrier_image: Sandbox, registry: OciRegistry, tmp_path: Path
) -> None:
    carrier = Contained(registry, tmp_path, carrier_image)
    registry.secret(carrier.secrets / "other", password=WRONG)

    refused = carrier.run("check", carrier.item("team/adapter:1", secrets=["other"]))

    assert refused.code != 0
    assert "other" in refused.note


def test_its_bill_of_materials_is_the_lock_and_debian(carrier_image: Sandbox) -> None:
    found = bills.named(bills.written(LOCK, carrier_image.root))

    assert found == bills.there(LOCK, carrier_image.root)
    assert found.debian >= {"libc6", "libstdc++6", "python3.11-minimal", "ca-certificates"}


@pytest.mark.asyncio(loop_scope="module")
async def test_it_is_pushed_and_found_by_its_digest(
    registry: OciRegistry,
    workshop: Workshop,
    carrying: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = tmp_path / "auth.json"
    account.write_text(json.dumps({"auths": {registry.address: {"auth": registry.login()}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(account))
    trust = tmp_path / "trust"
    trust.mkdir()
    shutil.copy(registry.authority, trust / "ca.crt")

    tag = f"{registry.address}/kaito/kaito-artifacts:0.1.0"
    reference = push(workshop.storage, [carrying], tag, certificates=trust)

    name, _, digest = reference.partition("@")
    assert name == f"{registry.address}/kaito/kaito-artifacts"
    body = await registry.manifest(reference)
    assert digest == f"sha256:{hashlib.sha256(body).hexdigest()}"


@pytest.mark.parametrize("overlay", RELEASED)
def test_a_pinned_overlay_has_the_controller_name_it_by_its_digest(
    tmp_path: Path, overlay: str
) -> None:
    copy = overlays(tmp_path)

    pin(f"registry.example/kaito-artifacts@{DIGEST}", copy, image="kaito-artifacts")

    names = {
        each["data"]["KAITO_ARTIFACTS_IMAGE"]
        for each in yaml.safe_load_all(rendered(copy / overlay))
        if each["kind"] == "ConfigMap" and "KAITO_ARTIFACTS_IMAGE" in each["data"]
    }
    mirrored = overlay == "airgapped"
    name = "REGISTRY_HERE/kaito/kaito-artifacts" if mirrored else "registry.example/kaito-artifacts"
    assert names == {f"{name}@{DIGEST}"}
