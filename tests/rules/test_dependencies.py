"""What is imported is declared, and what was chosen is used."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.rules.tree import ALL, ROOT, SHIPPED, Source, sources

CHOSEN = {
    "kubernetes_asyncio": "kubernetes_asyncio",
    "aiohttp": "aiohttp",
    "pydantic": "pydantic",
    "azure-mgmt-containerservice": "azure.mgmt.containerservice",
    "azure-identity": "azure.identity",
    "structlog": "structlog",
    "prometheus-client": "prometheus_client",
}
"""The distributions that this project is built on, and what each is imported as."""

IMPORTED_AS = {
    "PyJWT": "jwt",
    "PyYAML": "yaml",
    "azure-identity": "azure",
    "azure-mgmt-containerservice": "azure",
    "grafana-foundation-sdk": "grafana_foundation_sdk",
    "import-linter": "importlinter",
    "langchain-openai": "langchain_openai",
    "prometheus-client": "prometheus_client",
    "pytest-asyncio": "pytest_asyncio",
    "pytest-xdist": "xdist",
    "pytest-timeout": "pytest_timeout",
}
BROUGHT_BY_OTHERS = {
    *("azure", "huggingface_hub", "pyarrow", "pydantic_core", "starlette", "tokenizers", "yarl"),
}
"""Comes with azure-identity, datasets, pydantic, fastapi, transformers and aiohttp, and fits."""

PROGRAMS = {"front", "serving", "process", "training", "oci", "lora"}
OUR_OWN = {"kaito", "provisioner", "hack", "tests", "presets", *PROGRAMS}
LOCKS = sorted((ROOT / "hack" / "locks").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    assert found, requirement
    return found.group()


def _declared(*extras: str) -> set[str]:
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][one] for one in extras)]
    return {_name(requirement) for one in lists for requirement in one}


def _foreign(source: Source) -> set[str]:
    """Top-level packages that a file imports from outside."""
    tops = {name.partition(".")[0] for name in source.imports}
    return tops - OUR_OWN - set(sys.stdlib_module_names)


def _undeclared(folders: tuple[str, ...], allowed: set[str]) -> dict[str, set[str]]:
    extra = {source.path: _foreign(source) - allowed for source in sources(*folders)}
    return {path: names for path, names in extra.items() if names}


@pytest.mark.parametrize("distribution", CHOSEN)
def test_a_chosen_package_is_declared_and_imported_by_what_runs(distribution: str) -> None:
    users = [one.path for one in sources(*SHIPPED) if one.has_import(CHOSEN[distribution])]

    assert distribution in _declared()
    assert users


def test_pytest_asyncio_runs_tests() -> None:
    stories = [
        node.name
        for source in sources("tests")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]

    assert "pytest-asyncio" in _declared("dev")
    assert stories


def test_what_ships_imports_only_what_it_declares() -> None:
    allowed = {IMPORTED_AS.get(name, name) for name in _declared()} | BROUGHT_BY_OTHERS

    assert _undeclared(SHIPPED, allowed) == {}


def test_no_product_or_demo_imports_a_test() -> None:
    found = sources(*SHIPPED, "presets", "hack/cluster")

    assert found
    assert [one.path for one in found if one.has_import("tests")] == []


def test_everything_else_imports_only_what_an_extra_declares() -> None:
    declared = _declared(
        "artifacts", "bench", "clients", "cluster", "dev", "inference", "tuning", "vllm"
    )
    allowed = {IMPORTED_AS.get(name, name) for name in declared} | BROUGHT_BY_OTHERS

    assert _undeclared(ALL, allowed) == {}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_hashes_and_no_addresses(lock: Path) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", lock.read_text())[1:]

    assert blocks
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    assert re.findall(r".*(?:://|--index|--find-links|--extra).*", lock.read_text()) == []


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("controller", ()), ("dev", ("cluster", "dev"))],
    ids=["controller", "dev"],
)
def test_a_lock_holds_what_is_declared(lock: str, extras: tuple[str, ...]) -> None:
    text = (ROOT / "hack" / "locks" / f"{lock}.txt").read_text()
    held = {_plain(name) for name in re.findall(r"^([a-z0-9][a-z0-9_.-]*)==", text, re.MULTILINE)}

    assert {_plain(name) for name in _declared(*extras)} - held - {"kaito"} == set()


def test_the_lock_of_the_benchmarks_holds_their_extra_alone() -> None:
    text = (ROOT / "hack" / "locks" / "bench.txt").read_text()
    wanted = {_name(requirement) for requirement in PROJECT["optional-dependencies"]["bench"]}

    assert {name for name in wanted if f"\n{name}==" not in text} == set()
    assert "kubernetes" not in text


def test_the_image_has_the_versions_that_the_tests_run_with() -> None:
    locks = ((ROOT / "hack" / "locks" / f"{name}.txt") for name in ("controller", "dev"))

    image, dev = (set(re.findall(r"^\S+==\S+", lock.read_text(), re.MULTILINE)) for lock in locks)

    assert image - dev == set()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
