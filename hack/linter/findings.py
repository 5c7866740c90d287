"""What the linter finds in manifests, and which findings are allowed to stay."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ALLOWED = Path(__file__).parent / "allowed.yaml"
GOOD = 10
"""The grade of a check that finds nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that could be better.

    Attributes:
        check: its id.
        finding: what it says.
        subject: `KIND/NAME` of the object.
    """

    check: str
    finding: str
    subject: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.subject}: {self.finding} ({self.check})"


def findings(linter: Path, manifests: str, *, kubernetes: str) -> frozenset[Finding]:
    """What it finds in a stream of YAML documents.

    Args:
        linter: the program.
        manifests: the documents.
        kubernetes: version of the cluster that they are meant for, e.g. v1.36.
    """
    words = ("score", "--output-format", "json", "--kubernetes-version", kubernetes, "-")
    done = subprocess.run(
        [linter, *words], input=manifests, capture_output=True, text=True, check=False
    )
    if not done.stdout:
        raise ValueError(f"kube-score failed: {done.stderr}")
    return frozenset(each for scored in json.loads(done.stdout) for each in _of(scored))


def _of(scored: dict[str, Any]) -> Iterator[Finding]:
    subject = f"{scored['type_meta']['kind']}/{scored['object_meta']['name']}"
    for check in scored["checks"]:
        if check["skipped"] or check["grade"] >= GOOD:
            continue
        for comment in check["comments"]:
            yield Finding(check["check"]["id"], comment["summary"], subject)


def allowed(file: Path = ALLOWED) -> frozenset[Finding]:
    """The findings that stay.

    Raises:
        ValueError: one has no reason.
    """
    entries = yaml.safe_load(file.read_text())
    if silent := [each for each in entries if not each.get("why")]:
        raise ValueError(f"{file.name}: no reason: {silent}")
    return frozenset(
        Finding(each["check"], each["finding"], subject)
        for each in entries
        for subject in each["objects"]
    )
