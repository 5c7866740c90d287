"""The bill of materials: valid, and complete."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hack.cluster.cache import cache_folder
from hack.images import bom
from hack.images.sandbox import Sandbox
from tests.image.test_content import LOCKED
from tests.rules.tree import ROOT

TOOLS = cache_folder() / "sbom" / "bin"
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()))
"""


@pytest.fixture(scope="session")
def written(image: Sandbox) -> str:
    """The document of an image."""
    lock = ROOT / "hack" / "locks" / "controller.txt"
    return bom.document(TOOLS / "cyclonedx-py", lock, ROOT / "pyproject.toml", root=image.root)


def test_it_fits_the_specification(written: str) -> None:
    judged = subprocess.run(
        [TOOLS / "python", "-c", VALIDATE],
        input=written,
        capture_output=True,
        text=True,
        check=True,
    )

    assert judged.stdout.strip() == "None"


def test_it_names_every_locked_package_with_hashes_and_every_debian_package(
    image: Sandbox, written: str
) -> None:
    content = json.loads(written)
    python = {
        (each["name"], each["version"])
        for each in content["components"]
        if each["purl"].startswith("pkg:pypi/")
    }
    debian = {each["name"] for each in content["components"]} - {name for name, _ in python}
    libraries = {"libc6", "libssl3", "python3.11-minimal", "ca-certificates", "libsqlite3-0"}

    assert content["metadata"]["component"]["name"] == "kaito"
    assert python == LOCKED
    assert debian >= libraries
    assert debian == {path.name for path in (image.root / bom.STATUS).iterdir()}
    assert "sha256" in written.lower() or "SHA-256" in written


def test_an_equal_image_has_an_equal_document(image: Sandbox, written: str) -> None:
    lock = ROOT / "hack" / "locks" / "controller.txt"

    again = bom.document(TOOLS / "cyclonedx-py", lock, ROOT / "pyproject.toml", root=image.root)

    assert again == written
    assert str(Path.home()) not in written
