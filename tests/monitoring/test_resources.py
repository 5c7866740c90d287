"""What the Deployments ask for, beside what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
MIB = re.compile(r"(\d+)Mi")


def resources(name: str) -> dict[str, dict[str, str]]:
    """Requests and limits of the one container of a Deployment."""
    text = (ROOT / "manifests" / name / "deployment.yaml").read_text()
    deployment = next(each for each in yaml.safe_load_all(text) if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    found: dict[str, dict[str, str]] = container["resources"]
    return found


def mebibytes(quantity: str) -> int:
    found = MIB.fullmatch(quantity)
    assert found, quantity
    return int(found[1])


def peaks(page: str) -> list[float]:
    """The column of peaks in the tables of a page, our own rows."""
    found: list[float] = []
    column = -1
    for line in (REFERENCE / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "peak, MiB" in cells:
            column = cells.index("peak, MiB")
        elif not line.startswith("|"):
            column = -1
        elif column >= 0 and "kopf" not in cells and "---" not in cells:
            found.append(float(cells[column]))
    return found


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("controller", "benchmarks.md"),
        ("controller", "scale.md"),
        ("provisioner", "provisioner.md"),
    ],
)
def test_the_most_that_was_ever_measured_is_half_of_the_limit(name: str, page: str) -> None:
    limit = mebibytes(resources(name)["limits"]["memory"])

    assert peaks(page)
    assert 2 * max(peaks(page)) <= limit


@pytest.mark.parametrize(
    ("name", "page"), [("controller", "scale.md"), ("provisioner", "provisioner.md")]
)
def test_a_thousand_workspaces_and_ninety_machines_fit_what_is_asked_for(
    name: str, page: str
) -> None:
    asked = mebibytes(resources(name)["requests"]["memory"])

    assert max(peaks(page)) <= asked


@pytest.mark.parametrize("name", ["controller", "provisioner"])
def test_no_processor_limit_can_slow_the_lease_down(name: str) -> None:
    assert "cpu" not in resources(name)["limits"]
    assert "cpu" in resources(name)["requests"]
