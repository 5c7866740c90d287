"""Watches of the API in memory: which changes one hears of, and in which words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pydantic_core

from tests.virtual.kinds import Address, Kind
from tests.virtual.wire import Json, Refused, is_selected

INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Event:
    """One change.

    Attributes:
        version: that it made.
        kind: of the object.
        old: the object before; None when it is new.
        new: the object after; its last state when it is gone.
        at: when, in seconds of the server's clock.
        is_end: whether the object is gone.
        by: who made it.
    """

    version: int
    kind: Kind
    old: Json | None
    new: Json
    at: float
    is_end: bool = False
    by: str = ""


class Watcher:
    """One open watch.

    Attributes:
        where: what is watched.
        params: of the request.
        lines: what is still to be sent; an empty line is the end.
    """

    def __init__(self, where: Address, params: Mapping[str, str]) -> None:
        self.where = where
        self.params = params
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._labels = params.get("labelSelector", "")
        self._fields = params.get("fieldSelector", "")

    @property
    def wants_state(self) -> bool:
        """Whether it begins with all that there is (WatchList)."""
        return self.params.get("sendInitialEvents") == "true"

    @property
    def seconds(self) -> float | None:
        """How long it lasts; None for ever."""
        asked = self.params.get("timeoutSeconds")
        return float(asked) if asked else None

    def tell(self, event: Event) -> None:
        """Send a change in terms of what this watch sees: it may begin, go on or end."""
        if event.kind is not self.where.kind:
            return
        before = event.old is not None and self._sees(event.old)
        after = not event.is_end and self._sees(event.new)
        if after:
            self._say("MODIFIED" if before else "ADDED", event.new)
        elif before:
            last = event.new if event.is_end else event.old or event.new
            metadata = {**last["metadata"], "resourceVersion": str(event.version)}
            self._say("DELETED", {**last, "metadata": metadata})

    def add(self, item: Json) -> None:
        """Send an object that was there before."""
        if self._sees(item):
            self._say("ADDED", item)

    def initial_end(self, version: int) -> None:
        """Say that everything that was there has been sent."""
        self._mark({"resourceVersion": str(version), "annotations": {INITIAL_END: "true"}})

    def bookmark(self, version: int) -> None:
        """Say how far the server is."""
        if self.params.get("allowWatchBookmarks") == "true":
            self._mark({"resourceVersion": str(version)})

    def fail(self, refusal: Refused) -> None:
        """Send an error and end."""
        self._say("ERROR", refusal.status)
        self.end()

    def end(self) -> None:
        """End the answer."""
        self.lines.put_nowait(b"")

    def _sees(self, item: Json) -> bool:
        namespace = item["metadata"].get("namespace", "")
        if self.where.namespace not in ("", namespace):
            return False
        return is_selected(item, self._labels, self._fields)

    def _mark(self, metadata: Json) -> None:
        kind = self.where.kind
        item = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}
        self._say("BOOKMARK", item)

    def _say(self, type: str, item: Json) -> None:
        self.lines.put_nowait(pydantic_core.to_json({"type": type, "object": item}))
