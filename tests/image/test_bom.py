"""The bill of materials: valid, and complete."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hack.images.sandbox import Sandbox
from tests.image import bills
from tests.rules.tree import ROOT

LOCK = ROOT / "hack" / "locks" / "controller.txt"
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read()))
"""


@pytest.fixture(scope="session")
def written(image: Sandbox) -> str:
    """The document of an image."""
    return bills.written(LOCK, image.root)


def test_it_fits_the_specification(written: str) -> None:
    judged = subprocess.run(
        [bills.TOOLS / "python", "-c", VALIDATE],
        input=written,
        capture_output=True,
        text=True,
        check=True,
    )

    assert judged.stdout.strip() == "None"


def test_it_names_every_locked_package_with_hashes_and_every_debian_package(
    image: Sandbox, written: str
) -> None:
    found = bills.named(written)
    libraries = {"libc6", "libssl3", "python3.11-minimal", "ca-certificates", "libsqlite3-0"}

    assert json.loads(written)["metadata"]["component"]["name"] == "kaito"
    assert found == bills.there(LOCK, image.root)
    assert found.debian >= libraries
    assert "SHA-256" in written


def test_an_equal_image_has_an_equal_document(image: Sandbox, written: str) -> None:
    again = bills.written(LOCK, image.root)

    assert again == written
    assert str(Path.home()) not in written
