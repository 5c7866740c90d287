"""What lies where."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.rules.tree import ALL, ROOT, SHIPPED, at, scripts, sources, texts

TOP_LEVEL = {
    "pyproject.toml",
    "kaito",
    "provisioner",
    "manifests",
    "presets",
    "docs",
    "tests",
    "hack",
    "Dockerfile",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
}
NAMELESS = {"utils", "util", "common", "helpers", "helper", "base", "misc", "consts", "constants"}
FILE_LINES = 400
FUNCTION_LINES = 50
GENERATED = {"build", "dist", "kaito.egg-info"}
"""What building the distribution leaves behind; ignored by git."""


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    assert found - GENERATED == TOP_LEVEL


def test_no_module_is_named_after_nothing() -> None:
    paths = [Path(source.path) for source in sources(*ALL)]

    assert [str(path) for path in paths if NAMELESS & {*path.parent.parts, path.stem}] == []


def test_no_file_is_longer_than_400_lines() -> None:
    sizes = {source.path: len(source.lines) for source in sources(*ALL)}

    assert {path: size for path, size in sizes.items() if size > FILE_LINES} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    sizes = {
        f"{at(source, node)} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for source in sources(*ALL)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}


def test_every_python_folder_is_a_package_with_a_docstring() -> None:
    # A program of presets/ is run from its folder, which is a root of imports, not a package.
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    roots = {ROOT / folder for folder in settings["mypy"]["mypy_path"]}
    folders = {(ROOT / source.path).parent for source in sources(*ALL)} - roots
    without = [folder for folder in folders if not (folder / "__init__.py").exists()]
    silent = [one.path for one in sources(*ALL) if not ast.get_docstring(one.tree)]

    assert without == []
    assert silent == []


def test_no_file_names_a_place_on_one_machine() -> None:
    home = re.compile(r"/(root|home/[a-z]+|Users/[A-Za-z]+)/|\B" + re.escape(f"{ROOT}/"))
    own = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in texts()
        if path != own
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if home.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("script", scripts(), ids=lambda path: path.name)
def test_a_script_is_executable_and_answers_help(script: Path) -> None:
    assert script.stat().st_mode & 0o111

    answer = subprocess.run([script, "--help"], capture_output=True, text=True, check=True, cwd="/")

    assert script.name in answer.stdout


def test_the_distribution_holds_what_ships_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    include = project["tool"]["setuptools"]["packages"]["find"]["include"]

    assert include == [f"{folder}*" for folder in SHIPPED]


def test_a_ring_is_part_of_the_suite_or_on_its_own_as_the_help_says() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    words = (ROOT / "hack" / "test").read_text()
    _, suite, alone, *_ = re.split("all of these.|On their own:|A path or", words)
    rings = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")} | {"unit"}
    named = re.compile(r"^  ([a-z]+) ", re.MULTILINE)

    assert set(named.findall(alone)) == set(options["norecursedirs"]) - {".*"}
    assert set(named.findall(suite)) == rings - set(named.findall(alone))
