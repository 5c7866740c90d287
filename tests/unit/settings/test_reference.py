"""The page that lists all settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import kaito.settings
import provisioner.settings
from hack import reference

PROCESSES = pytest.mark.parametrize(
    ("package", "model"),
    [("kaito", kaito.settings.Settings), ("provisioner", provisioner.settings.Settings)],
)


def rows(package: str) -> list[list[str]]:
    """Cells of the table of one process, as the committed page has them."""
    (section,) = re.findall(
        rf"## `python -m {package}`\n(.*?)(?=\n## |\Z)", reference.PAGE.read_text(), re.DOTALL
    )
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_page_says_what_the_types_say() -> None:
    assert not reference.is_stale()


@PROCESSES
def test_every_setting_has_a_row_with_its_flag_and_its_variable(
    package: str, model: type[BaseModel]
) -> None:
    found = {cells[0].strip("` "): cells for cells in rows(package)}

    assert set(found) == {f"--{name.replace('_', '-')}" for name in model.model_fields}
    for name, field in model.model_fields.items():
        cells = found[f"--{name.replace('_', '-')}"]
        assert f"`{package.upper()}_{name.upper()}`" in cells[1]
        assert cells[3] == field.description


def test_defaults_are_written_as_one_would_type_them() -> None:
    kaitos = {cells[0].strip("` "): cells[2] for cells in rows("kaito")}
    provisioners = {cells[0].strip("` "): cells[2] for cells in rows("provisioner")}

    assert kaitos["--leader-elect"] == "`true`"
    assert kaitos["--lease-seconds"] == "`15`"
    assert kaitos["--kubeconfig"] == "empty"
    assert provisioners["--subscription-id"] == "required"


def test_a_well_known_variable_stands_beside_the_derived_one() -> None:
    named = {cells[0].strip("` "): cells[1] for cells in rows("provisioner")}

    assert named["--client-id"] == "`PROVISIONER_CLIENT_ID`, `AZURE_CLIENT_ID`"


def test_an_old_page_is_noticed_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = reference.PAGE.read_text()
    monkeypatch.setattr(reference, "PAGE", tmp_path / "reference" / "settings.md")

    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    assert reference.PAGE.read_text() == committed

    reference.PAGE.write_text(f"{committed}\n")
    assert reference.main(["--check"]) == 1
