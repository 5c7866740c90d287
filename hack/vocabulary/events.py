"""Log events: found in the code, each with its level and keys; their meanings stand here."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ("kaito", "provisioner")
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")
LOGGERS = {"log", "logger", "_log"}

MEANINGS: Mapping[str, str] = {
    "catalog.refused": "A file of the catalogue does not say what it must; the process ends.",
    "claim.expired": "A claim outlived its deadline and is deleted (`--deadline-action=delete`).",
    "claim.failed": "A claim came to a failure; its conditions say which.",
    "claim.orphaned": "A claim's Workspace is gone; it is deleted.",
    "claim.readied": "The node of a claim is there and usable.",
    "claim.released": "Nothing of a claim is left, and it may go.",
    "event.refused": "The API server did not take a Kubernetes Event; nothing else depends on it.",
    "events.denied": "Events of what comes no further cannot be read; nothing else depends on it.",
    "garbage.refused": "A leftover could not be removed; it is tried again.",
    "handler.failed": "A bug: what should react to a change raised.",
    "informer.interrupted": "A resource cannot be listed or watched; the cache is kept and ages.",
    "informer.relisted": "A resource was listed anew, and why that was necessary.",
    "informer.synced": "The first list of a resource is complete.",
    "informer.unfinished": "A streamed first list broke off; it is asked for again.",
    "instance.launched": "An agent pool was asked for.",
    "instance.orphaned": "An agent pool without a claim is being deleted.",
    "instance.refused": "Azure did not accept a request about an agent pool.",
    "instance.started": "An agent pool runs.",
    "instance.terminated": "An agent pool is being deleted.",
    "instances.listed": "The agent pools could be listed again, after failures.",
    "instances.unlisted": "The agent pools could not be listed.",
    "lease.acquired": "This process leads now.",
    "lease.lost": "This process leads no longer and ends at once.",
    "lease.overstayed": "The event loop stood still past the lease; the process ends.",
    "lease.released": "This process gave the lease back while stopping.",
    "lease.unanswered": "The lease could not be renewed this time.",
    "library.reported": "A library said something through `logging`.",
    "loop.stalled": "The event loop stood still for longer than it may.",
    "node.initialized": "The node of a claim has its resources and can be used.",
    "node.orphaned": "A node without an agent pool is being removed.",
    "node.pinned": "A node that somebody brought was given to a Workspace: it carries its uid.",
    "node.registered": "The node of a claim has joined the cluster.",
    "node.unpinned": "A node that somebody brought serves its Workspace no longer.",
    "object.created": "A claim, a Service or a workload was created.",
    "object.deleted": "A claim or a workload was deleted.",
    "object.relabelled": "A workload that had lost its labels has them again.",
    "object.rejected": "An object does not fit its type and is left out.",
    "orphan.found": "A leftover was seen for the first time.",
    "pods.evicted": "Pods were asked to leave a node that goes.",
    "preflight.skipped": "Quota and size could not be asked for beforehand; the request follows.",
    "process.stopping": "The process stops, and what it still waits for.",
    "process.unstarted": "The process could not start; it ends.",
    "reconcile.failed": "A reconcile raised; it is tried again. The same again is said at debug.",
    "reconcile.raised": "The traceback behind `reconcile.failed`.",
    "scrape.unreviewed": "Nobody could be asked who scrapes /metrics.",
    "settings.loaded": "The process begins, with these settings.",
    "task.ended": "A part of the process ended by itself; the process ends.",
    "token.unread": "The token file could not be read anew; the old token stays.",
    "watch.broken": "A watch ended early; it is taken up where it was.",
    "workload.applied": "A workload or Service was brought to what the spec says.",
    "workspace.planned": "The plan for a Workspace changed: its reason and message.",
    "workspace.released": "Nothing of a Workspace is left, and it may go.",
    "workspace.warned": "Something a person should know about a Workspace that goes on.",
}

SAID_OTHERWISE: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "lease.overstayed": (frozenset({"error"}), frozenset()),
    "library.reported": (
        frozenset({"warning", "error", "critical"}),
        frozenset({"message", "library"}),
    ),
    "reconcile.failed": (
        frozenset({"debug", "info", "warning", "error", "exception"}),
        frozenset({"error"}),
    ),
}
"""Levels and keys of the events that no call of a logger names: one is written by hand, one comes
from others' loggers, and one is said at the level of its failure."""


def found() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Levels and keys of each event, by its name."""
    events = dict(SAID_OTHERWISE)
    for path in sorted(each for part in SHIPPED for each in (ROOT / part).rglob("*.py")):
        tree = ast.parse(path.read_text())
        names = _constants(tree)
        for call in _calls(tree):
            keys = frozenset(each.arg for each in call.keywords if each.arg) - {"exc_info"}
            level = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            for event in _names(call.args[0], names):
                levels, known = events.get(event, (frozenset[str](), frozenset[str]()))
                events[event] = levels | {level}, known | keys
    return events


def page() -> str:
    """The table of docs/reference/events.md."""
    rows = [
        f"| `{name}` | {', '.join(sorted(levels))} |"
        f" {', '.join(f'`{key}`' for key in sorted(keys))} | {MEANINGS.get(name, '')} |\n"
        for name, (levels, keys) in sorted(found().items())
    ]
    return "| Event | Level | Keys of its own | Meaning |\n|---|---|---|---|\n" + "".join(rows)


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of a logger."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            is_logger = isinstance(owner, ast.Name) and owner.id in LOGGERS
            if is_logger and node.func.attr in LEVELS and node.args:
                yield node


def _constants(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """Names at the top of a module that stand for events, one or a table of them."""
    named: dict[str, tuple[str, ...]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and node.value:
                values = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
                named[target.id] = tuple(
                    each.value
                    for each in values
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                )
    return named


def _names(node: ast.expr, constants: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The events that an argument may be."""
    if isinstance(node, ast.Constant):
        return (str(node.value),)
    if isinstance(node, ast.Subscript):
        node = node.value
    return constants.get(node.id, ()) if isinstance(node, ast.Name) else ()
