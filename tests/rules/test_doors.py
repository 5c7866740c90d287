"""The engine's doors: one to the cluster's writes, one to time and chance."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator

import pytest

from kaito.kube import VERSION
from tests.rules.tree import ROOT, SHIPPED, Source, at, sources

ENGINE = "kaito/kube/"
CLOCK = "kaito/kube/clock.py"
NAMING = "kaito/kube/settings.py"
"""Where a replica's name is drawn; it decides nothing, and has to differ between processes."""
CLOUD = "provisioner/azure/"
"""The SDK's side of the provisioner, with deadlines of its own."""

WRITES = {"create", "replace", "apply", "merge_patch", "json_patch", "delete", "request"}
SOURCES = ("random", "secrets", "time", "uuid")
MOMENTS = {"now", "utcnow", "today"}


def _reads_client(node: ast.expr) -> bool:
    """Whether an expression is somebody's client: `client`, `self._client`, `actor.client`."""
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return str(name).endswith("client")


def _direct_writes(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in WRITES and _reads_client(node.value):
            yield at(source, node)


def _moments(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in MOMENTS:
            owner = node.value
            if isinstance(owner, ast.Name) and owner.id in {"datetime", "date"}:
                yield at(source, node)


def _outsiders(*exempt: str) -> list[Source]:
    return [each for each in sources(*SHIPPED) if not each.path.startswith(exempt)]


def test_y6_whoever_is_not_the_engine_writes_through_the_writer() -> None:
    writers = [source for source in _outsiders(ENGINE) if source.has_import("kaito.kube.writer")]
    direct = [place for source in _outsiders(ENGINE) for place in _direct_writes(source)]

    assert len(writers) >= 3
    assert direct == []


def test_all_time_and_chance_come_from_the_clock() -> None:
    others = _outsiders(CLOCK, NAMING, CLOUD)
    importers = [source.path for source in others if source.has_import(*SOURCES)]
    moments = [place for source in others for place in _moments(source)]

    assert importers == []
    assert moments == []


def test_a_process_names_the_real_clock_once() -> None:
    named = [
        source.path
        for source in _outsiders(ENGINE, CLOUD)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Name) and node.id == "SYSTEM_CLOCK"
    ]

    assert sorted(named) == ["kaito/app.py", "provisioner/app.py"]


def test_t4_what_requests_say_of_the_version_is_true() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["project"]["version"] == VERSION


@pytest.mark.parametrize("app", ["kaito/app.py", "provisioner/app.py"])
def test_t4_a_process_names_its_version_to_the_api_server(app: str) -> None:
    assert 'user_agent=f"{NAME}/{VERSION}"' in (ROOT / app).read_text()
