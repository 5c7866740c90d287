"""Which nodes somebody has brought, to which Workspace each is pinned, and what must hold of that.

A node is never taken from a Workspace that is there, nor given to one that is not; no Workspace
goes before its label does, and in the end no node carries one. What a former leader had under way
does not count: the label of a Workspace that is gone is nobody's. Where nothing goes wrong no node
is given back while a pod of its Workspace is on it; whoever has not heard of a pod may do that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kaito.api import labels
from tests.virtual.api import Api
from tests.virtual.watching import Event
from tests.virtual.wire import Json

PIN = labels.CREATED_FOR


class Pins:
    """Watches the nodes that were brought.

    Args:
        api: where it is told.
        say: notes what must not be.
        is_former: whether a process does not lead any more.
    """

    def __init__(
        self, api: Api, say: Callable[[str], None], is_former: Callable[[str], bool]
    ) -> None:
        self._api = api
        self._say = say
        self._is_former = is_former
        self._strays: set[tuple[str, str]] = set()
        self._hasty: list[str] = []
        api.on_event.append(self._hear)

    def end(self) -> None:
        """Judge the end: no brought node carries the uid of a Workspace that is not there."""
        for node, uid in self._pinned():
            if uid not in self._living():
                self._say(f"in the end {node} is still pinned to {uid}")

    def unhindered(self) -> None:
        """Judge what nobody does who has heard of everything."""
        for sentence in self._hasty:
            self._say(sentence)

    def _hear(self, event: Event) -> None:
        if event.kind.plural == "nodes" and event.by and not event.is_end:
            self._node(event)
        if event.kind.plural == "workspaces" and event.is_end:
            uid = event.new["metadata"]["uid"]
            for node, holder in self._pinned():
                if holder == uid:
                    self._say(f"a workspace went before its label of {node} did")

    def _node(self, event: Event) -> None:
        name, after = event.new["metadata"]["name"], _holder(event.new)
        before = _holder(event.old) if event.old else ""
        if before == after or not is_brought(event.new):
            return
        if self._is_former(event.by):
            self._strays.add((name, after))
            return
        if after and before in self._living():
            self._say(f"{name} was taken from {before} and given to {after}")
        if after and after not in self._living():
            self._say(f"{name} was given to {after}, which is not there")
        if before and any(self._is_on(pod, name, before) for pod in self._api.items("pods")):
            self._hasty.append(f"{name} was given back with a pod of {before} on it")

    def _is_on(self, pod: Json, node: str, uid: str) -> bool:
        return pod["spec"].get("nodeName") == node and dict(demands(pod["spec"])).get(PIN) == [uid]

    def _pinned(self) -> Iterator[tuple[str, str]]:
        """Nodes that were brought and carry a uid; those of former leaders left out."""
        for node in self._api.items("nodes"):
            found = (node["metadata"]["name"], _holder(node))
            if is_brought(node) and found[1] and found not in self._strays:
                yield found

    def _living(self) -> set[str]:
        return {each["metadata"]["uid"] for each in self._api.items("workspaces")}


def demands(pod: Json) -> Iterator[tuple[str, list[str]]]:
    """Labels that a pod wants of its node, each with the values that will do."""
    affinity = pod.get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    for term in required.get("nodeSelectorTerms", [])[:1]:
        for each in term.get("matchExpressions", []):
            yield each["key"], each["values"]


def is_brought(node: Json) -> bool:
    """Whether somebody has put a node into the cluster by hand."""
    return labels.AGENT_POOL not in node["metadata"]["labels"]


def _holder(node: Json) -> str:
    return str(node["metadata"]["labels"].get(PIN, ""))
