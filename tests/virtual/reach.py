"""How much a process holds on to: every object that can be reached from its Manager."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import deque
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from functools import _lru_cache_wrapper
from types import FunctionType, ModuleType
from typing import Any

import prometheus_client

ROOMS = ("kaito.", "provisioner.")
CONTAINERS = (dict, list, set, deque)


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held at one moment.

    Attributes:
        count: objects.
        total_bytes: their sizes.
        sizes: entries of each container, by its identity; `containers` keeps them apart.
        containers: the containers themselves.
    """

    count: int
    total_bytes: int
    sizes: dict[int, int]
    containers: list[Any]


def held(roots: Iterable[object]) -> Holding:
    """What can be reached from some objects, and from the modules of the product."""
    gc.collect()
    modules = [vars(each) for name, each in sys.modules.items() if name.startswith(ROOMS)]
    waiting: list[Any] = [*roots, *modules, prometheus_client.REGISTRY]
    seen: dict[int, object] = {}
    while waiting:
        each = waiting.pop()
        if id(each) in seen or _is_foreign(each):
            continue
        seen[id(each)] = each
        waiting.extend(_referents(each))
    containers = [each for each in seen.values() if isinstance(each, CONTAINERS)]
    return Holding(
        len(seen),
        sum(sys.getsizeof(each) for each in seen.values()),
        {id(each): len(each) for each in containers},
        containers,
    )


def grown(before: Holding, after: Holding, *, slack: int) -> list[str]:
    """The containers of before that have since got more than `slack` more entries."""
    return [
        f"{_owner(each)} has grown from {before.sizes[id(each)]} to {len(each)}"
        for each in before.containers
        if id(each) in after.sizes and len(each) > before.sizes[id(each)] + slack
    ]


def _is_foreign(each: object) -> bool:
    """Whether an object belongs to the harness, to the language or to no process at all.

    A cache with a limit is none of ours either: it is to fill up.
    """
    if isinstance(each, _lru_cache_wrapper) and each.cache_info().maxsize is not None:
        return True
    if isinstance(each, ModuleType | type | asyncio.AbstractEventLoop):
        return True
    return type(each).__module__.startswith("tests.")


def _referents(each: object) -> list[Any]:
    """What an object holds; of a function only what it closes over."""
    if isinstance(each, FunctionType):
        return [each.__closure__, each.__defaults__, each.__dict__]
    return gc.get_referents(each)


def _owner(container: Sized) -> str:
    """Who has a container, and under which name, as far as that can be told."""
    for holder in gc.get_referrers(container):
        names = [name for name, value in _fields(holder).items() if value is container]
        if names:
            owners = gc.get_referrers(holder) if isinstance(holder, dict) else [holder]
            return f"{names[0]} of {sorted({type(each).__name__ for each in owners})}"
    return f"a {type(container).__name__} such as {str(container)[:200]}"


def _fields(holder: object) -> dict[str, object]:
    """What an object has, by name."""
    if isinstance(holder, dict):
        return {str(name): value for name, value in holder.items()}
    slots = getattr(type(holder), "__slots__", ())
    return {**getattr(holder, "__dict__", {}), **{name: getattr(holder, name, 0) for name in slots}}
