"""Bills of materials: what one names, and what it has to name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.cache import cache_folder
from hack.images import bom
from tests.rules.tree import ROOT

TOOLS = cache_folder() / "sbom" / "bin"


@dataclass(frozen=True, slots=True)
class Materials:
    """What an image is made of.

    Attributes:
        python: names and versions of packages.
        debian: names of packages.
    """

    python: frozenset[tuple[str, str]]
    debian: frozenset[str]


def written(lock: Path, root: Path) -> str:
    """The bill of an image, as a release has it.

    Args:
        lock: what was installed.
        root: the image's file system.
    """
    return bom.document(TOOLS / "cyclonedx-py", lock, ROOT / "pyproject.toml", root=root)


def named(bill: str) -> Materials:
    """What a bill names."""
    components = json.loads(bill)["components"]
    python = [each for each in components if each["purl"].startswith("pkg:pypi/")]
    return Materials(
        frozenset((each["name"], each["version"]) for each in python),
        frozenset(each["name"] for each in components if each not in python),
    )


def there(lock: Path, root: Path) -> Materials:
    """What a bill has to name: the lock, and what Debian's packages left of themselves."""
    packages = (root / "var" / "lib" / "dpkg" / "status.d").iterdir()
    return Materials(locked(lock), frozenset(path.name for path in packages))


def locked(lock: Path) -> frozenset[tuple[str, str]]:
    """Names and versions of a lock file."""
    found = re.findall(r"^([a-z0-9][\w.-]*)==([\w.]+)", lock.read_text(), re.MULTILINE)
    return frozenset(found)
