"""Both architectures pushed as one image, whose digest the overlays then name."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hack.images.architectures import ARCHITECTURES
from hack.images.build import Workshop
from hack.images.pins import RELEASED, pin
from hack.images.registry import push
from tests.image.kustomize import DIGEST, overlays, rendered
from tests.ociregistry import OciRegistry
from tests.rules.tree import ROOT


async def test_one_digest_stands_for_both_architectures(
    registry: OciRegistry,
    workshop: Workshop,
    built: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trust = tmp_path / "trust"
    trust.mkdir()
    shutil.copy(registry.authority, trust / "ca.crt")
    account = tmp_path / "auth.json"
    account.write_text(json.dumps({"auths": {registry.address: {"auth": registry.login()}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(account))

    tag = f"{registry.address}/kaito/kaito:0.1.0"
    reference = push(
        workshop.storage, [built(each) for each in ARCHITECTURES], tag, certificates=trust
    )

    body = await registry.manifest(reference)
    assert reference == f"{registry.address}/kaito/kaito@sha256:{hashlib.sha256(body).hexdigest()}"
    platforms = [each["platform"] for each in json.loads(body)["manifests"]]
    assert {(each["os"], each["architecture"]) for each in platforms} == {
        ("linux", "amd64"),
        ("linux", "arm64"),
    }


@pytest.mark.parametrize("overlay", RELEASED)
def test_a_pinned_overlay_names_the_image_by_its_digest(tmp_path: Path, overlay: str) -> None:
    copy = overlays(tmp_path)

    pin(f"registry.example/kaito@{DIGEST}", copy)

    names = {
        container["image"]
        for each in yaml.safe_load_all(rendered(copy / overlay))
        if each["kind"] == "Deployment"
        for container in each["spec"]["template"]["spec"]["containers"]
    }
    name = "REGISTRY_HERE/kaito/kaito" if overlay == "airgapped" else "registry.example/kaito"
    assert names == {f"{name}@{DIGEST}"}


def test_the_device_plugin_is_one_version_in_every_overlay_that_has_it() -> None:
    images = {
        container["image"].rpartition("/")[2]
        for overlay in RELEASED
        for each in yaml.safe_load_all(rendered(ROOT / "manifests" / "overlays" / overlay))
        if each["kind"] == "DaemonSet"
        for container in each["spec"]["template"]["spec"]["containers"]
    }

    (image,) = images
    assert re.fullmatch(r"k8s-device-plugin(:v\d+\.\d+\.\d+|@sha256:[0-9a-f]{64})", image)


def test_pinning_again_changes_the_digest_and_nothing_else(tmp_path: Path) -> None:
    copy = overlays(tmp_path)
    pin(f"registry.example/kaito@{DIGEST}", copy)
    before = (copy / "aks" / "kustomization.yaml").read_text()

    pin("registry.example/kaito@sha256:" + 64 * "b", copy)

    after = (copy / "aks" / "kustomization.yaml").read_text()
    assert after == before.replace(64 * "a", 64 * "b")
    assert before.count(DIGEST) == 1


def test_a_tag_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not NAME@sha256:DIGEST"):
        pin("registry.example/kaito:0.1.0", overlays(tmp_path))


def test_an_image_that_no_overlay_names_is_refused(tmp_path: Path) -> None:
    copy = overlays(tmp_path)
    before = (copy / "aks" / "kustomization.yaml").read_text()

    with pytest.raises(ValueError, match="no overlay names kaito-inference"):
        pin(f"registry.example/kaito-inference@{DIGEST}", copy, image="kaito-inference")

    assert (copy / "aks" / "kustomization.yaml").read_text() == before
