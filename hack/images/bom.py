"""What is in an image, as CycloneDX: the lock file's packages, and those of the base.

The first come from the tool cyclonedx-py, which reads the lock and nothing else; the second from
what the base says of itself in var/lib/dpkg/status.d.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hack.images.programs import run

SPECIFICATION = "1.6"
STATUS = Path("var", "lib", "dpkg", "status.d")
DISTRIBUTION = "debian-12"


def document(tool: Path, lock: Path, project: Path, *, root: Path) -> str:
    """The bill of materials of an image, as JSON.

    Args:
        tool: the program cyclonedx-py.
        lock: what was installed.
        project: pyproject.toml, which names the main component.
        root: the image's file system.

    Raises:
        ImageFailed: the tool failed, or what it made does not fit the specification.
    """
    written = run(
        [
            *(str(tool), "requirements", "--pyproject", str(project), "--spec-version"),
            *(SPECIFICATION, "--output-format", "JSON", "--output-reproducible", str(lock)),
        ]
    )
    content: dict[str, Any] = json.loads(written)
    components = [*content["components"], *packages(root)]
    content["components"] = sorted(components, key=lambda each: str(each["bom-ref"]))
    return json.dumps(content, indent=2) + "\n"


def packages(root: Path) -> Iterator[Mapping[str, Any]]:
    """A component for each Debian package of a file system."""
    for file in sorted((root / STATUS).iterdir()):
        fields = HeaderParser().parsestr(file.read_text())
        name, version = fields["Package"], fields["Version"]
        where = f"arch={fields['Architecture']}&distro={DISTRIBUTION}"
        address = f"pkg:deb/debian/{quote(name)}@{quote(version)}?{where}"
        yield {
            "bom-ref": address,
            "name": name,
            "purl": address,
            "type": "library",
            "version": version,
        }
