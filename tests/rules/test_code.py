"""How the code is written, where no linter looks."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import PurePath

from tests.rules.tree import ACTING, ALL, SHIPPED, Source, at, sources

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
EVENT = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
LOGGING_DOOR = "kaito/kube/logs.py"
"""Where what libraries say through `logging` is led into structlog."""

WORLD = ("aiohttp", "asyncio", "azure", "os", "random", "structlog", "time")


def _calls(source: Source) -> Iterator[ast.Call]:
    return (node for node in ast.walk(source.tree) if isinstance(node, ast.Call))


def _comments(source: Source) -> Iterator[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    return ((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)


def _log_calls(source: Source) -> Iterator[ast.Call]:
    for call in _calls(source):
        called = call.func
        if (
            isinstance(called, ast.Attribute)
            and called.attr in LEVELS
            and isinstance(called.value, ast.Name)
            and called.value.id in {"log", "logger", "_log"}
        ):
            yield call


def _is_constant_event(node: ast.expr) -> bool:
    """A literal of the right form, or a constant (of a table) that the next test looks at."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and EVENT.fullmatch(node.value) is not None
    if isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id.isupper()


def test_what_ships_says_everything_through_structlog() -> None:
    others = [
        source.path
        for source in sources(*SHIPPED)
        if source.has_import("logging", "warnings") and source.path != LOGGING_DOOR
    ]
    prints = [
        at(source, call)
        for source in sources(*SHIPPED)
        for call in _calls(source)
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]

    assert others == []
    assert prints == []


def test_a_log_event_is_a_dotted_lower_case_constant() -> None:
    calls = [(source, call) for source in sources(*SHIPPED) for call in _log_calls(source)]
    wrong = [
        at(source, call)
        for source, call in calls
        if len(call.args) != 1 or not _is_constant_event(call.args[0])
    ]

    assert calls
    assert wrong == []


def test_a_named_log_event_is_dotted_and_lower_case() -> None:
    named = {
        argument.id
        for source in sources(*SHIPPED)
        for call in _log_calls(source)
        for argument in call.args[:1]
        if isinstance(argument, ast.Name)
    }
    values = {
        at(source, node): node.value.value
        for source in sources(*SHIPPED)
        for node in source.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id in named
    }

    assert {place: text for place, text in values.items() if not EVENT.fullmatch(str(text))} == {}


def test_only_settings_read_the_environment() -> None:
    doors = {"os.environ", "os.environb", "os.getenv"}
    others = [one for one in sources(*SHIPPED) if PurePath(one.path).name != "settings.py"]
    importers = [source.path for source in others if source.imports & doors]
    readers = [
        at(source, node)
        for source in others
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and _dotted(node) in doors
    ]

    assert importers == []
    assert readers == []


def test_nothing_is_exempt_from_the_linter_or_untyped_without_a_code() -> None:
    exempt = [
        f"{source.path}:{line}"
        for source in sources(*ALL)
        for line, comment in _comments(source)
        if re.search(r"\bnoqa\b|ruff: *noqa|mypy: *ignore|type: *ignore(?!\[)", comment)
    ]

    assert exempt == []


def test_what_decides_in_a_controller_does_nothing_else() -> None:
    deciding = [
        source
        for folder in SHIPPED
        for source in sources(f"{folder}/controllers")
        if PurePath(source.path).stem not in ACTING
    ]

    assert deciding
    assert [source.path for source in deciding if source.has_import(*WORLD)] == []


def test_provisioner_knows_two_rooms_of_kaito() -> None:
    rooms = {
        name
        for source in sources("provisioner")
        for name in source.imports
        if name.startswith("kaito.") and not name.startswith(("kaito.api", "kaito.kube"))
    }

    assert rooms == set()


def test_no_test_sleeps_patches_or_hides_in_a_class() -> None:
    imported = [
        source.path
        for source in sources("tests")
        if source.imports & {"time.sleep", "unittest.mock.patch"}
    ]
    wrong = [
        at(source, node)
        for source in sources("tests")
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.ClassDef) and node.name.startswith("Test"))
        or (isinstance(node, ast.Attribute) and _dotted(node) in {"time.sleep", "mock.patch"})
    ]

    assert imported == []
    assert wrong == []


def test_no_module_imports_from_a_test() -> None:
    tests = re.compile(r"tests\.(\w+\.)*test_")
    importers = [
        f"{source.path} imports {name}"
        for source in sources(*ALL)
        for name in sorted(source.imports)
        if tests.match(name)
    ]

    assert importers == []


def _dotted(node: ast.Attribute) -> str:
    return f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else node.attr
