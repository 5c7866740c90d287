"""The exit codes of a program, read out of its source."""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

ENDS = {"exit", "_exit", "SystemExit"}
"""Names of what ends a process with a code."""
WORDS = re.compile(r"\b_?exit(?![a-z])", re.IGNORECASE)
"""What the name or the docstring of a function says whose result becomes an exit code."""
SHELL = re.compile(r"^\s*exit (\d+)$", re.MULTILINE)


def codes(file: Path) -> set[int]:
    """Codes that a file ends a process with, or hands to whoever does."""
    text = file.read_text()
    if file.suffix != ".py":
        return {int(each) for each in SHELL.findall(text)}
    tree = ast.parse(text)
    names = dict(_constants(tree))
    found = (code for expression in _ends(tree) for code in _values(expression, names))
    return set(found)


def constants(file: Path) -> set[int]:
    """The numbers that a file gives names to in capitals."""
    return set(dict(_constants(ast.parse(file.read_text()))).values())


def _constants(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Names in capitals, of whole numbers."""
    for each in tree.body:
        if not isinstance(each, ast.Assign):
            continue
        for target, value in _pairs(each):
            if isinstance(target, ast.Name) and target.id.isupper() and isinstance(value, int):
                yield target.id, value


def _pairs(assigned: ast.Assign) -> Iterator[tuple[ast.expr, object]]:
    """Each name of an assignment with its constant."""
    target, value = assigned.targets[0], assigned.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, other in zip(target.elts, value.elts, strict=True):
            yield one, getattr(other, "value", None)
    elif isinstance(value, ast.Constant):
        yield target, value.value


def _ends(tree: ast.Module) -> Iterator[ast.expr]:
    """Expressions that become an exit code."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Call) and each.args and _name(each.func) in ENDS:
            yield each.args[0]
        elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and _tells(each):
            yield from (
                one.value for one in ast.walk(each) if isinstance(one, ast.Return) and one.value
            )


def _tells(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the result of a function is an exit code."""
    number = isinstance(function.returns, ast.Name) and function.returns.id == "int"
    return number and bool(WORDS.search(f"{function.name} {ast.get_docstring(function)}"))


def _name(function: ast.expr) -> str:
    """The last word of what is called."""
    return str(getattr(function, "attr", getattr(function, "id", "")))


def _values(expression: ast.expr, names: Mapping[str, int]) -> set[int]:
    """The numbers that an expression may be; none for what is computed elsewhere."""
    if isinstance(expression, ast.Constant):
        return {expression.value} if isinstance(expression.value, int) else set()
    if isinstance(expression, ast.Name):
        return {names[expression.id]} if expression.id in names else set()
    if isinstance(expression, ast.Attribute):
        found = getattr(signal, expression.attr, None)
        return {int(found)} if isinstance(found, signal.Signals) else set()
    return _composed(expression, names)


def _composed(expression: ast.expr, names: Mapping[str, int]) -> set[int]:
    """The same of a choice, an alternative or a sum."""
    if isinstance(expression, ast.IfExp):
        return _values(expression.body, names) | _values(expression.orelse, names)
    if isinstance(expression, ast.BoolOp):
        return set().union(*(_values(each, names) for each in expression.values))
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add):
        left, right = _values(expression.left, names), _values(expression.right, names)
        return {one + other for one in left for other in right}
    return set()
