"""What must hold at every moment, told from the API's and the cloud's history alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaito.api import labels
from tests.virtual.api import Api
from tests.virtual.cloud import Arm, Deed
from tests.virtual.watching import Event
from tests.virtual.wire import Json


class Judge:
    """Watches the world and notes what must not be.

    Attributes:
        violations: sentences; empty is good.
        writes: times of all changes of the API but Events, and of all deeds of the cloud.
    """

    def __init__(self, api: Api, arm: Arm) -> None:
        self._api = api
        self._arm = arm
        self._read = 0
        self._pools: dict[str, set[str]] = {}
        self.violations: list[str] = []
        self.writes: list[float] = []
        arm.on_deed = self._deed

    def look(self) -> None:
        """Judge what has happened since the last look."""
        for event in self._api.history[self._read :]:
            self._change(event)
        self._read = len(self._api.history)

    def end(self, *, wanted: int, quiet_since: float) -> None:
        """Judge the end: everything there that should be, and nobody writing any more."""
        self.look()
        counts = {
            "workspaces": len(self._api.items("workspaces")),
            "machines": len(self._api.items("machines")),
            "nodes": len(self._api.items("nodes")),
            "deployments": len(self._api.items("deployments")),
            "pools": len(self._arm.pools()),
        }
        for name, count in counts.items():
            if count != wanted:
                self._say(f"in the end there are {count} {name}, and not {wanted}")
        for item in self._api.items("workspaces"):
            self._settled(item)
        late = [at for at in self.writes if at > quiet_since]
        if late:
            self._say(f"{len(late)} writes in the quiet hour, the first at {late[0]:.1f}")

    def _settled(self, item: Json) -> None:
        ready = _conditions(item).get("WorkspaceReady", {})
        if ready.get("status") != "True":
            self._say(f"in the end the workspace is not ready: {ready}")

    def _deed(self, deed: Deed) -> None:
        """The cloud has agreed to something: was it right to ask?"""
        self.look()
        self.writes.append(deed.at)
        claim = self._claim(deed.owner)
        if deed.verb == "launch":
            self._launched(deed, claim)
        elif claim and "deletionTimestamp" not in claim["metadata"] and deed.state != "Failed":
            self._say(f"pool {deed.pool} was terminated while its claim wants it")

    def _launched(self, deed: Deed, claim: Json | None) -> None:
        if claim is None:
            self._say(f"pool {deed.pool} was launched for no claim")
            return
        if labels.TERMINATION_FINALIZER not in claim["metadata"].get("finalizers", []):
            self._say(f"pool {deed.pool} was launched before the finalizer was stored")
        names = self._pools.setdefault(deed.owner, set())
        names.add(deed.pool)
        if len(names) > 1:
            self._say(f"claim {claim['metadata']['name']} has had pools {sorted(names)}")
        if deed.state:
            self._say(f"pool {deed.pool} was written over in state {deed.state}")

    def _change(self, event: Event) -> None:
        if event.kind.plural in ("events", "leases"):
            return
        self.writes.append(event.at)
        if event.kind.plural == "machines":
            self._machine(event)
        if event.kind.plural == "workspaces" and event.is_end:
            uid = event.new["metadata"]["uid"]
            if any(_owner(each) == uid for each in self._api.items("machines")):
                self._say("a workspace went before its claims")
        if event.old and not event.is_end:
            self._transitions(event.old, event.new)

    def _machine(self, event: Event) -> None:
        uid = event.new["metadata"]["uid"]
        if event.is_end and any(_tags(pool) == uid for pool in self._arm.pools()):
            self._say(f"claim {event.new['metadata']['name']} went before its pool")
        if event.old is None:
            owner = _owner(event.new)
            twins = [each for each in self._api.items("machines") if _owner(each) == owner]
            if len(twins) > 1:
                self._say(f"workspace {owner} has {len(twins)} claims and wants one")

    def _transitions(self, old: Json, new: Json) -> None:
        """LastTransitionTime moves when the status does, and only then; no condition vanishes."""
        before, after = _conditions(old), _conditions(new)
        name = new["metadata"]["name"]
        for type in sorted(before.keys() - after.keys() - {"Reconciling", "Stalled"}):
            self._say(f"condition {type} of {name} vanished")
        for type in sorted(before.keys() & after.keys()):
            one, two = before[type], after[type]
            moved = one.get("lastTransitionTime") != two.get("lastTransitionTime")
            # Those of Machines are knative's, which move with the reason and the message too.
            aspects = ("status", "reason", "message") if new["kind"] == "Machine" else ("status",)
            if moved and all(one.get(each) == two.get(each) for each in aspects):
                self._say(f"condition {type} of {name} moved in time without changing")

    def _claim(self, uid: str) -> Json | None:
        found = (each for each in self._api.items("machines") if each["metadata"]["uid"] == uid)
        return next(found, None)

    def _say(self, sentence: str) -> None:
        self.violations.append(sentence)


def _conditions(item: Json) -> Mapping[str, Any]:
    return {each["type"]: each for each in (item.get("status") or {}).get("conditions") or []}


def _owner(machine: Json) -> str:
    return str(machine["metadata"].get("labels", {}).get(labels.CREATED_FOR, ""))


def _tags(pool: Json) -> str:
    return str(pool["properties"].get("tags", {}).get("kaito.sh_claim-uid", ""))
