"""The tree that the rules look at: files, and what Python's parser makes of them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ("kaito", "provisioner")
ALL = (*SHIPPED, "presets", "hack", "tests")
ACTING = {"__init__", "controller", "executor", "act", "report", "observe", "witness", "metrics"}
"""Modules of a controller that do things, look at things or log; all others decide."""


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file.

    Attributes:
        path: relative to the root, with slashes.
        text: its content.
        tree: its syntax tree.
    """

    path: str
    text: str
    tree: ast.Module

    @property
    def imports(self) -> frozenset[str]:
        """Dotted names of all modules, and of all names from modules, that it imports."""
        names = set[str]()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module))
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
        return frozenset(names)

    def has_import(self, *packages: str) -> bool:
        """Whether one of the packages, or something in it, is imported."""
        prefixes = tuple(f"{package}." for package in packages)
        return any(f"{name}.".startswith(prefixes) for name in self.imports)

    @property
    def lines(self) -> tuple[str, ...]:
        """Its lines."""
        return tuple(self.text.splitlines())


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """All Python files below these folders, in order of their paths."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return tuple(_source(path) for path in paths)


def _source(path: Path) -> Source:
    text = path.read_text()
    return Source(path.relative_to(ROOT).as_posix(), text, ast.parse(text))


@cache
def texts() -> tuple[Path, ...]:
    """All files with text that belong to the tree, at the top level and below, in order."""
    kinds = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".go", ".mod", ".cfg", ".json", ""}
    top = (path for path in ROOT.iterdir() if path.is_file())
    folders = ("docs", "manifests", ".ci", *ALL)
    below = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    caches = re.compile(r"/(__pycache__|\.[a-z_]+_cache)/")
    found = (path for path in (*top, *below) if not caches.search(path.as_posix()))
    return tuple(sorted(path for path in found if path.suffix in kinds))


def scripts() -> tuple[Path, ...]:
    """The scripts of hack/: files without a suffix, one verb each."""
    files = (path for path in (ROOT / "hack").iterdir() if path.is_file())
    return tuple(sorted(path for path in files if not path.suffix))


def at(source: Source, node: ast.expr | ast.stmt) -> str:
    """Where a node is, as editors want it."""
    return f"{source.path}:{node.lineno}"
