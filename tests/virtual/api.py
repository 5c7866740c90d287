"""An API server in memory: versions, locks, finalizers, pages, watches and who owns which field.

It is synchronous and has its time from a clock that it is given. What it answers is held
against a real API server by tests/conformance. Objects are not validated, defaulted or pruned.
Stored objects are never changed: a write puts another one in their place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pydantic_core

from kaito.kube.transport import Call
from tests.virtual import ownership, paging, rules, wire
from tests.virtual.kinds import KINDS, Address, Kind, address
from tests.virtual.watching import Event, Watcher
from tests.virtual.wire import Json, Refused, conflict, invalid, not_found

Key = tuple[str, str]
"""Namespace and name."""

FIRST_VERSION = 100
NEVER_APPLIED = frozenset({"events", "leases"})
"""Nobody asks who owns their fields, and they are written all the time."""
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request comes back with."""

    code: int
    body: Json

    @property
    def text(self) -> bytes:
        """The body on the wire."""
        return pydantic_core.to_json(self.body)


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: its wire form, and who owns its fields."""

    item: Json
    owners: ownership.Owners = field(default_factory=dict)


class Api:
    """The server's state, and the requests that it answers.

    Attributes:
        version: of the newest change.
        oldest: changes up to this version are forgotten.
        history: all changes since, in order; tests read it.
        newest: the present version of each object, by uid.
        on_event: called with each change at its moment.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.version = FIRST_VERSION
        self.oldest = FIRST_VERSION
        self.history: list[Event] = []
        self.newest: dict[str, int] = {}
        self.on_event: list[Callable[[Event], None]] = []
        self._clock = clock
        self._by = ""
        self._objects: dict[Kind, dict[Key, Stored]] = {kind: {} for kind in KINDS}
        self._snapshots: dict[int, dict[str, list[Json]]] = {}
        self._watchers: dict[Watcher, None] = {}

    # What clients ask

    def answer(self, call: Call, *, by: str = "") -> Answer:
        """Carry out one request that is not a watch; `by` is who sent it."""
        self._by = by
        try:
            where = address(call.path)
            if where is None:
                raise not_found(call.path)
            body = pydantic_core.from_json(call.body) if call.body else {}
            return self._answer(call, where, body)
        except Refused as refusal:
            return Answer(refusal.code, refusal.status)

    def watch(self, call: Call) -> Watcher:
        """Begin a watch; close it when nobody reads it any more.

        Raises:
            Refused: there is no such collection.
        """
        where = address(call.path)
        if where is None or where.name:
            raise not_found(call.path)
        watcher = Watcher(where, call.params)
        self._begin(watcher)
        self._watchers[watcher] = None
        return watcher

    def unwatch(self, watcher: Watcher) -> None:
        """Forget a watch."""
        self._watchers.pop(watcher, None)

    # What tests do

    @property
    def watching(self) -> int:
        """Watches that are open."""
        return len(self._watchers)

    def items(self, plural: str) -> list[Json]:
        """All objects of a resource, in order."""
        kind = next(kind for kind in KINDS if kind.plural == plural)
        return [stored.item for _, stored in sorted(self._objects[kind].items())]

    def compact(self) -> None:
        """Forget all versions before the present one, and the pages that were begun."""
        self.oldest = self.version
        self._snapshots.clear()

    def bookmark(self) -> None:
        """Tell all watches how far the server is, as a real one does about once a minute."""
        for watcher in self._watchers:
            watcher.bookmark(self.version)

    # Inside

    def _answer(self, call: Call, where: Address, body: Any) -> Answer:
        verbs = {
            "GET": self._get if where.name else self._list,
            "POST": self._create,
            "PUT": self._replace,
            "PATCH": self._patch,
            "DELETE": self._delete,
        }
        return verbs[call.method](call, where, body)

    def _get(self, _call: Call, where: Address, _body: Any) -> Answer:
        return Answer(200, self._found(where).item)

    def _list(self, call: Call, where: Address, _body: Any) -> Answer:
        wanted = int(call.params.get("resourceVersion") or 0)
        if wanted > self.version:
            message = f"Too large resource version: {wanted}, current: {self.version}"
            raise Refused(504, "Timeout", message, cause="ResourceVersionTooLarge")
        version, start = paging.resumed(call.params) or (self.version, 0)
        items = self._snapshot(version, call, where)
        limit = int(call.params.get("limit") or 0) or len(items) or 1
        metadata: Json = {"resourceVersion": str(version)}
        if start + limit < len(items):
            self._snapshots.setdefault(version, {})[paging.question(call, where)] = items
            metadata["continue"] = paging.token(version, start + limit)
            metadata["remainingItemCount"] = len(items) - start - limit
        body = {
            "kind": f"{where.kind.name}List",
            "apiVersion": where.kind.api_version,
            "metadata": metadata,
            "items": items[start : start + limit],
        }
        return Answer(200, body)

    def _snapshot(self, version: int, call: Call, where: Address) -> list[Json]:
        """What there was at a version: the present, or what a first page has kept."""
        if "continue" in call.params:
            try:
                return self._snapshots[version][paging.question(call, where)]
            except KeyError as error:
                message = "The provided continue parameter is too old"
                raise Refused(410, "Expired", message) from error
        labels = call.params.get("labelSelector", "")
        fields = call.params.get("fieldSelector", "")
        return [
            stored.item
            for key, stored in sorted(self._objects[where.kind].items())
            if where.namespace in ("", key[0]) and wire.is_selected(stored.item, labels, fields)
        ]

    def _create(self, call: Call, where: Address, body: Any) -> Answer:
        if where.subresource == "eviction":
            return self._delete(call, where, body.get("deleteOptions") or {})
        name = body.get("metadata", {}).get("name", "")
        if not name:
            raise invalid("metadata.name: Required value: name or generateName is required")
        if body["metadata"].get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise Refused(400, "BadRequest", message)
        if (where.namespace, name) in self._objects[where.kind]:
            message = f'{where.kind.plural} "{name}" already exists'
            raise Refused(409, "AlreadyExists", message)
        return self._made(where, name, body, call, is_apply=False)

    def _made(self, where: Address, name: str, body: Json, call: Call, *, is_apply: bool) -> Answer:
        kind = where.kind
        given = {key: each for key, each in body["metadata"].items() if key not in rules.KEPT}
        metadata = {
            **given,
            "name": name,
            **({"namespace": where.namespace} if kind.namespaced else {}),
            "uid": str(uuid5(NAMESPACE_URL, f"{kind.plural}/{self.version}")),
            "creationTimestamp": self._now(),
            **({"generation": 1} if kind.counts else {}),
        }
        item = {"apiVersion": kind.api_version, "kind": kind.name, **body, "metadata": metadata}
        if kind.has_status and kind.plural != "nodes":
            item.pop("status", None)
        asked = ownership.fields(body if is_apply else item)
        if kind.has_status:
            asked = frozenset(path for path in asked if path[0] != "status")
        owners = {_manager(call, is_apply=is_apply): asked}
        return Answer(201, self._store(kind, None, Stored(item, owners)))

    def _replace(self, call: Call, where: Address, body: Any) -> Answer:
        if not (body["metadata"].get("resourceVersion") or where.kind.blind):
            raise invalid("metadata.resourceVersion: Invalid value: 0: must be specified")
        return self._written(call, where, lambda _old: body)

    def _patch(self, call: Call, where: Address, body: Any) -> Answer:
        if call.content_type == APPLY:
            return self._apply(call, where, body)
        if call.content_type == MERGE:
            return self._written(call, where, lambda old: wire.merged(old, body))
        return self._written(call, where, lambda old: wire.operated(old, body))

    def _apply(self, call: Call, where: Address, body: Json) -> Answer:
        manager = _manager(call, is_apply=True)
        old = self._objects[where.kind].get((where.namespace, where.name))
        if old is None:
            if where.subresource:
                raise not_found(where.name)
            if body["metadata"].get("uid"):
                raise conflict("uid mismatch: no existing object was found")
            return self._made(where, where.name, body, call, is_apply=True)
        parts = rules.parts(where)
        wanted = {key: each for key, each in body.items() if parts(key) or key == "metadata"}
        if where.subresource:
            names = ("name", "namespace", "uid", "resourceVersion")
            metadata = {k: v for k, v in body["metadata"].items() if k in names}
            wanted["metadata"] = metadata
        if call.params.get("force") != "true":
            ownership.check(old.owners, manager, old.item, wanted)
        mine = {path for path in old.owners.get(manager, frozenset()) if parts(str(path[0]))}
        owners = {**old.owners, manager: frozenset(mine)}
        new = ownership.applied(owners, manager, old.item, wanted)
        rest = old.owners.get(manager, frozenset()) - mine
        asked = ownership.fields(wanted) | rest
        return self._updated(
            where, old, new, lambda item: ownership.noted(old.owners, manager, asked, item)
        )

    def _written(self, call: Call, where: Address, change: Callable[[Json], Json]) -> Answer:
        """Any write of an existing object that is not an apply."""
        old = self._found(where)
        new = change(old.item)
        if where.kind.plural in NEVER_APPLIED:
            return self._updated(where, old, new, lambda _item: old.owners)
        manager = _manager(call, is_apply=False)
        return self._updated(
            where,
            old,
            new,
            lambda item: ownership.taken(
                old.owners, manager, ownership.changed(old.item, item), item
            ),
        )

    def _updated(
        self,
        where: Address,
        old: Stored,
        asked: Json,
        owners: Callable[[Json], ownership.Owners],
    ) -> Answer:
        """Check what was asked for, complete it and store it if it says anything new."""
        rules.check_versions(where, old.item, asked)
        new = rules.completed(where, old.item, asked)
        rules.check_finalizers(old.item, new)
        if new == old.item:
            self._objects[where.kind][_key(new)] = Stored(old.item, owners(old.item))
            return Answer(200, old.item)
        if rules.is_over(new):
            return Answer(200, self._remove(where.kind, old, new))
        return Answer(200, self._store(where.kind, old, Stored(new, owners(new))))

    def _delete(self, _call: Call, where: Address, body: Any) -> Answer:
        old = self._found(where)
        metadata = old.item["metadata"]
        wanted = body.get("preconditions") or {}
        for name in ("uid", "resourceVersion"):
            if wanted.get(name, metadata[name]) != metadata[name]:
                raise conflict(f"Precondition failed: {name}: {wanted[name]} is not the object's")
        if not metadata.get("finalizers"):
            self._remove(where.kind, old, old.item)
            return Answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        if "deletionTimestamp" in metadata:
            return Answer(200, old.item)
        generation = {"generation": metadata["generation"] + 1} if where.kind.counts else {}
        marked = {"deletionTimestamp": self._now(), "deletionGracePeriodSeconds": 0}
        new = {**old.item, "metadata": {**metadata, **generation, **marked}}
        return Answer(200, self._store(where.kind, old, Stored(new, old.owners)))

    def _found(self, where: Address) -> Stored:
        try:
            return self._objects[where.kind][where.namespace, where.name]
        except KeyError as error:
            raise not_found(f'{where.kind.plural} "{where.name}"') from error

    def _store(self, kind: Kind, old: Stored | None, new: Stored) -> Json:
        item = self._numbered(new.item)
        self._objects[kind][_key(item)] = Stored(item, new.owners)
        before = old.item if old else None
        self._tell(Event(self.version, kind, before, item, self._clock(), by=self._by))
        return item

    def _remove(self, kind: Kind, old: Stored, last: Json) -> Json:
        """Drop an object; watches hear of the state before, the writer is shown what it wrote."""
        item = self._numbered(last)
        version = item["metadata"]["resourceVersion"]
        gone = wire.merged(old.item, {"metadata": {"resourceVersion": version}})
        del self._objects[kind][_key(item)]
        at = self._clock()
        self._tell(Event(self.version, kind, old.item, gone, at, is_end=True, by=self._by))
        return item

    def _numbered(self, item: Json) -> Json:
        self.version += 1
        return {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}

    def _tell(self, event: Event) -> None:
        self.history.append(event)
        metadata = event.new["metadata"]
        self.newest[metadata["uid"]] = event.version
        if event.is_end:
            del self.newest[metadata["uid"]]
        for watcher in self._watchers:
            watcher.tell(event)
        for hear in self.on_event:
            hear(event)

    def _begin(self, watcher: Watcher) -> None:
        """What a new watch hears first: the present, or what has happened since its version."""
        since = int(watcher.params.get("resourceVersion") or 0)
        if watcher.wants_state or not since:
            for stored in self._objects[watcher.where.kind].values():
                watcher.add(stored.item)
            if watcher.wants_state:
                watcher.initial_end(self.version)
        elif since < self.oldest:
            message = f"too old resource version: {since} ({self.oldest})"
            watcher.fail(Refused(410, "Expired", message))
        else:
            for event in self.history:
                if event.version > since:
                    watcher.tell(event)

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _key(item: Json) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _manager(call: Call, *, is_apply: bool) -> str:
    """A manager's applies and its other writes are two owners."""
    return f"{call.params.get('fieldManager', 'unknown')}/{'Apply' if is_apply else 'Update'}"
