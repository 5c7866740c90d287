"""How large files and functions are, and how much of the code is prose: `hack/stats`."""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import tokenize
from dataclasses import dataclass
from pathlib import Path

ROOMS = ("kaito", "provisioner", "presets", "hack", "tests")


@dataclass(frozen=True, slots=True)
class Measure:
    """One file.

    Attributes:
        lines: count of all lines.
        code: count of lines that are not blank.
        comments: count of lines with nothing but a comment.
        docstrings: count of lines of docstrings.
        functions: lines of each function.
    """

    lines: int
    code: int
    comments: int
    docstrings: int
    functions: tuple[int, ...]


def measure(text: str) -> Measure:
    """What one file's text amounts to."""
    nodes = list(ast.walk(ast.parse(text)))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return Measure(
        lines=text.count("\n"),
        code=sum(bool(line.strip()) for line in text.splitlines()),
        comments=sum(
            token.type == tokenize.COMMENT and token.line.lstrip().startswith("#")
            for token in tokens
        ),
        docstrings=sum(map(_prose, nodes)),
        functions=tuple(_height(node) for node in nodes if isinstance(node, functions)),
    )


def _prose(node: ast.AST) -> int:
    """Lines of a string that stands alone: a docstring, or the text below a field."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return 0
    return _height(node) if isinstance(node.value.value, str) else 0


def _height(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def row(name: str, files: list[Measure]) -> str:
    """One line of the table."""
    lines = sorted(file.lines for file in files)
    functions = sorted(size for file in files for size in file.functions) or [0]
    code = sum(file.code for file in files) or 1
    comments = sum(file.comments for file in files) / code
    docstrings = sum(file.docstrings for file in files) / code
    return (
        f"{name:<14}{len(files):>6}{sum(lines):>8}{statistics.median(lines):>8.0f}"
        f"{_tenth(lines):>6}{lines[-1]:>6}{statistics.median(functions):>8.0f}"
        f"{_tenth(functions):>6}{functions[-1]:>6}{comments:>9.0%}{docstrings:>9.0%}"
    )


def _tenth(ordered: list[int]) -> int:
    """The value that a tenth of all exceed."""
    return ordered[int(0.9 * (len(ordered) - 1))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="hack/stats", description=__doc__)
    parser.add_argument("folders", nargs="*", default=ROOMS)
    print(f"{'':<14}{'files':>6}{'lines':>8}{'median':>8}{'p90':>6}{'max':>6}", end="")
    print(f"{'def':>8}{'p90':>6}{'max':>6}{'comment':>9}{'doc':>9}")
    for folder in parser.parse_args().folders:
        files = [measure(path.read_text()) for path in sorted(Path(folder).rglob("*.py"))]
        if files:
            print(row(folder, files))


if __name__ == "__main__":
    main()
