"""What can be seen of a process from outside and from its caches, and must hold all the time."""

from __future__ import annotations

from collections.abc import Callable

from structlog.contextvars import get_contextvars

from kaito.kube import gate
from kaito.kube.informer import Informer
from kaito.kube.manager import Manager
from kaito.kube.objects import KubeObject
from tests.virtual import wire
from tests.virtual.api import Api
from tests.virtual.door import Link
from tests.virtual.watching import Event

Say = Callable[[str], None]


class Workers:
    """Notes two workers that have requests under way for one key.

    The requests of one pass share the list in which the gate collects its writes.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._busy: dict[tuple[str, ...], tuple[object, int]] = {}

    def send(self, link: Link, what: str) -> Callable[[], None]:
        """A request begins; what is returned is to be called when it is over."""
        notes = gate._NOTES.get()
        if notes is None:
            return _nothing
        bound = get_contextvars()
        key = (link.who, *(str(bound.get(each)) for each in ("controller", "namespace", "name")))
        holder, count = self._busy.get(key, (notes, 0))
        if holder is not notes:
            self._say(f"two workers have {key}, one of them sends {what}")
        self._busy[key] = (notes, count + 1)

        def done() -> None:
            _, left = self._busy.pop(key, (notes, 1))
            if left > 1:
                self._busy[key] = (notes, left - 1)

        return done


class Caches:
    """Notes a cache that goes back, or holds what the API never had."""

    def __init__(self, api: Api, say: Say) -> None:
        self._api = api
        self._say = say
        self._known: set[tuple[str, str]] = set()
        api.on_event.append(self._hear)

    def follow(self, who: str, manager: Manager) -> None:
        """Look at everything that the informers of a process take in."""
        for informer in manager._informers.values():
            if isinstance(informer, Informer):
                informer.on_change(self._handler(f"{who}: {informer.resource.plural}"))

    def compare(self, who: str, manager: Manager) -> None:
        """In the end every cache is what the API has."""
        for informer in manager._informers.values():
            assert isinstance(informer, Informer)
            chosen = informer._selection
            there = {
                each["metadata"]["uid"]: each["metadata"]["resourceVersion"]
                for each in self._api.items(informer.resource.plural)
                if wire.is_selected(each, chosen.labels, chosen.fields)
            }
            cached = {
                each.metadata.uid: each.metadata.resource_version for each in informer.store.list()
            }
            if cached != there:
                plural = informer.resource.plural
                self._say(f"in the end {who} has {plural} {cached}, and the API {there}")

    def _hear(self, event: Event) -> None:
        metadata = event.new["metadata"]
        self._known.add((metadata["uid"], metadata["resourceVersion"]))

    def _handler(self, where: str) -> Callable[[KubeObject | None, KubeObject | None], None]:
        def handler(old: KubeObject | None, new: KubeObject | None) -> None:
            if new is None:
                return
            metadata = new.metadata
            if (metadata.uid, metadata.resource_version) not in self._known:
                self._say(f"{where} {metadata.name} at a version that never was")
            if old is None or old.metadata.uid != metadata.uid:
                return
            if int(metadata.resource_version) <= int(old.metadata.resource_version):
                self._say(f"{where} {metadata.name} went back in time")

        return handler


def idle(who: str, manager: Manager, say: Say) -> None:
    """In the end no key waits for a worker, or has one, where there are workers."""
    if manager._elector and not manager._elector.is_leader:
        return
    for controller in manager._controllers:
        if len(controller.queue) or controller.queue.ages:
            say(f"in the end {who} still has work for {controller.name}")


def _nothing() -> None:
    """What follows a request that is made for no key."""
