"""What must hold at every moment, told from the API's and the cloud's history.

The numbers are those of the invariants that every run is held to:

1. No two workers have one key: `watched.Workers`, from the requests that are under way.
2. No cache goes back in time, or holds what the API never had: `watched.Caches`.
3. When the faults have stopped, all is as the user wants, every cache is what the API has, no
   queue holds a key, and then nobody writes for an hour: `Judge.end`.
4. Nobody acts who does not lead: `leaders.Leaders`, from the history of the leases.
5. The finalizer is stored before the first launch, nothing is left of what is gone, and nothing
   goes that somebody wants: `Judge._launched`, `_terminated`, `_machine`, `_change`, `end`.
   Where nothing can come up that is told, and nobody tries for ever: `stuck`.
6. One claim for each need, one pool for each claim: `Judge._machine`, `_launched`. A creation that
   a former leader had under way does not count: its name is computed, and its successor, who may
   have given that very claim back meanwhile, does so again.
7. A transition time moves when the condition does and only then, and no condition vanishes:
   `Judge._transitions`.
8. Whoever gets no answer asks less and less often: tests/virtual/test_stories.py. Whoever is
   refused a pool waits as long as that kind of refusal calls for: `bids.Bids`.
9. A process that is told to end does so in time, leaves nothing open, and gives the lease back
   last: `Judge.left`, and the end of `story`.
10. All that also holds wherever a process is killed: `plans`.
11. A node that somebody brings is one Workspace's at a time, and nobody's in the end: `pins`.

Besides, nothing is reported as an error that no fault explains (`Judge.log`), and where nothing
goes wrong no write is refused (`Judge.unhindered`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from typing import Any

import structlog

from kaito.api import labels
from tests.virtual.api import Api
from tests.virtual.bids import Bids
from tests.virtual.cloud import Arm, Deed
from tests.virtual.door import Link
from tests.virtual.leaders import Leaders
from tests.virtual.pins import Pins, is_brought
from tests.virtual.process import Life
from tests.virtual.stuck import Stuck, wrong
from tests.virtual.watched import Caches, Workers, idle
from tests.virtual.watching import Event
from tests.virtual.wire import Json

BUGS = frozenset({"handler.failed", "reconcile.failed", "process.unstarted"})
MOST = 12
SOMEBODY = "somebody"
"""Who may delete pools behind everybody's back."""
CLAIMS = ("machines", "nodeclaims")
SLOWEST_SECONDS = 60.0
"""No request takes longer to arrive."""


class Judge:
    """Watches the world and notes what must not be.

    Attributes:
        violations: sentences; empty is good.
    """

    def __init__(self, api: Api, arm: Arm, now: Callable[[], float], *, machines: int = 1) -> None:
        self._machines = machines
        self._api = api
        self._arm = arm
        self._now = now
        self._pools: dict[str, set[str]] = {}
        self._late: set[str] = set()
        self._belated: set[str] = set()
        self.violations: list[str] = []
        self._changed = 0.0
        self.is_deaf = False
        self.caches = Caches(api, self.say)
        self._workers = Workers(self.say)
        self._leaders = Leaders(self.say)
        self._pins = Pins(api, self.say, self._leaders.is_former)
        self._ran: set[str] = set()
        arm.on_bid.append(Bids(self.say).hear)
        arm.on_deed.append(self._deed)
        api.on_event.append(self._change)
        api.on_event.append(self._leaders.hear)

    @property
    def written(self) -> float:
        """When the API changed last, Events and leases left out, or the cloud was asked to."""
        return max(self._changed, self._arm.asked)

    def say(self, sentence: str) -> None:
        """Note what must not be; the first of it is enough."""
        if len(self.violations) < MOST:
            self.violations.append(sentence)

    def send(self, link: Link, what: str) -> Callable[[], None]:
        """Judge a request when it is sent; what is returned is to be called at its end."""
        if what.startswith(("PUT pool/", "DELETE pool/")):
            self._leaders.act(link.who, what, self._now())
        return self._workers.send(link, what)

    def log(self, _logger: object, method: str, event: MutableMapping[str, Any]) -> Any:
        """Judge a line of a log, and drop it."""
        is_bug = event["event"] in BUGS or (
            event["event"] == "task.ended" and event.get("task") != "lease"
        )
        if is_bug and not self.is_deaf:
            self.say(f"logged as {method}: {event}")
        raise structlog.DropEvent

    def left(self, life: Life, *, elects: bool) -> None:
        """Judge a process that is over."""
        task = life.task
        if task is None or life.link.is_dead or not task.done():
            return
        error = task.exception()
        if error is not None:
            self.say(f"{life.link.who} ended by {_cause(error)!r}")
        elif task.result() and not elects:
            self.say(f"{life.link.who} ended by itself")

    def stuck(self, wanted: Stuck) -> None:
        """Judge what the user finds where nothing more can be done."""
        for sentence in wrong(wanted, self._api, self._arm, written=self.written):
            self.say(sentence)

    def end(self, lives: list[Life], *, wanted: int, services: int, is_late: bool) -> None:
        """Judge the end: everything there that should be, and nobody writing any more.

        Args:
            lives: all processes.
            wanted: how many machines a Workspace is to have; 0 when there is to be none.
            services: how many Services it is to have.
            is_late: whether it took too long to come to rest.
        """
        counts = {
            "workspaces": len(self._api.items("workspaces")),
            "claims": len(self._claims()),
            "nodes": sum(not is_brought(each) for each in self._api.items("nodes")),
            "workloads": sum(
                len(self._api.items(each)) for each in ("deployments", "statefulsets")
            ),
            "services": len(self._api.items("services")),
            "pods": len(self._api.items("pods")),
            "pools": len(self._arm.pools()),
        }
        single = min(wanted, 1)
        owed = {"workspaces": single, "workloads": single, "services": services}
        for name, count in counts.items():
            due = owed.get(name, wanted)
            if count != due:
                self.say(f"in the end there are {count} {name}, and not {due}")
        for item in self._api.items("workspaces"):
            self._settled(item)
        self._pins.end()
        if is_late:
            self.say(f"somebody still writes, the last time at {self.written:.1f}")
        for life in lives:
            if life.manager is not None:
                self.caches.compare(life.link.who, life.manager)
                idle(life.link.who, life.manager, self.say)

    def unhindered(self, lives: list[Life]) -> None:
        """When nothing goes wrong nobody is refused: each knows of its own writes."""
        self._pins.unhindered()
        for life in lives:
            for what in life.link.refused:
                if not what.startswith("PATCH /api/v1/nodes/own-"):  # two may want one
                    self.say(f"{life.link.who} was refused {what}")

    def told_to_end(self, life: Life) -> None:
        """Judge a process whose time to end in order is over."""
        task = life.task
        if task is None or not task.done():
            self.say(f"{life.link.who} does not end when it is told to")
            return
        if task.exception() or task.result():
            self.say(f"{life.link.who} ends badly: {task!r}")
        left = asyncio.all_tasks(life.loop)
        if left:
            self.say(f"{life.link.who} leaves {sorted(map(repr, left))}")

    def closed(self, ended: list[str]) -> None:
        """Judge what the processes have left that were told to end."""
        if self._api.watching:
            self.say(f"{self._api.watching} watches are left open")
        for lease in self._api.items("leases"):
            if lease["spec"]["holderIdentity"]:
                self.say(f"{lease['metadata']['name']} was not given back")
        last: dict[str, Event] = {event.by: event for event in self._api.history}
        for who in ended:
            if who in self._leaders.leading and last[who].kind.plural != "leases":
                self.say(f"{who} wrote to {last[who].kind.plural} after it gave back the lease")

    def _settled(self, item: Json) -> None:
        ready = _conditions(item).get("WorkspaceReady", {})
        if ready.get("status") != "True":
            self.say(f"in the end the workspace is not ready: {ready}")
        if ready.get("observedGeneration") != item["metadata"]["generation"]:
            self.say(f"in the end the workspace's status is of another generation: {ready}")

    def _deed(self, deed: Deed) -> None:
        """The cloud has agreed to something: was it right to ask?"""
        self._changed = deed.at
        if deed.verb == "terminate" and deed.state == "Succeeded":
            self._ran.add(deed.owner)
        claim = self._claim(deed.owner)
        if deed.verb == "launch":
            self._launched(deed, claim)
        elif deed.by != SOMEBODY:
            self._terminated(deed, claim)

    def _terminated(self, deed: Deed, claim: Json | None) -> None:
        if claim and "deletionTimestamp" not in claim["metadata"] and deed.state != "Failed":
            self.say(f"pool {deed.pool} was terminated while its claim wants it")

    def _launched(self, deed: Deed, claim: Json | None) -> None:
        names = self._pools.setdefault(deed.owner, set())
        names.add(deed.pool)
        if len(names) > 1:
            self.say(f"claim {deed.owner} has had pools {sorted(names)}")
        if deed.state:
            self.say(f"pool {deed.pool} was written over in state {deed.state}")
        if deed.owner in self._ran and not deed.is_late:
            self.say(f"claim {deed.owner} has had a machine, and is given another")
        if deed.is_late:
            self._late.add(deed.pool)
        else:
            self._ordered(deed, claim)

    def _ordered(self, deed: Deed, claim: Json | None) -> None:
        """A launch that reaches the cloud at once is for a claim that holds on to it."""
        if claim is None:
            self.say(f"pool {deed.pool} was launched for no claim")
        elif labels.TERMINATION_FINALIZER not in claim["metadata"].get("finalizers", []):
            self.say(f"pool {deed.pool} was launched before the finalizer was stored")

    def _change(self, event: Event) -> None:
        if event.kind.plural in ("events", "leases"):
            return
        self._changed = event.at
        if event.kind.plural in CLAIMS:
            self._machine(event)
        if event.kind.plural == "workspaces" and event.is_end:
            uid = event.new["metadata"]["uid"]
            if any(_owner(each) == uid for each in self._claims()):
                self.say("a workspace went before its claims")
        if event.old and not event.is_end:
            self._transitions(event.old, event.new, event.at)

    def _machine(self, event: Event) -> None:
        uid = event.new["metadata"]["uid"]
        left = [pool for pool in self._arm.pools() if _tags(pool) == uid]
        if event.is_end and any(pool["name"] not in self._late for pool in left):
            self.say(f"claim {event.new['metadata']['name']} went before its pool")
        if event.old is None:
            if self._leaders.is_former(event.by):
                self._belated.add(uid)
            owner = _owner(event.new)
            twins = [each for each in self._claims() if _owner(each) == owner]
            twins = [each for each in twins if each["metadata"]["uid"] not in self._belated]
            if len(twins) > self._machines:
                self.say(f"workspace {owner} has {len(twins)} claims, and wants {self._machines}")

    def _transitions(self, old: Json, new: Json, at: float) -> None:
        """LastTransitionTime moves when the status does, and only then; no condition vanishes."""
        before, after = _conditions(old), _conditions(new)
        name = new["metadata"]["name"]
        for type in sorted(before.keys() - after.keys() - {"Reconciling", "Stalled"}):
            self.say(f"condition {type} of {name} vanished")
        for type in sorted(before.keys() & after.keys()):
            one, two = before[type], after[type]
            moved = one.get("lastTransitionTime") != two.get("lastTransitionTime")
            # Those of Machines are knative's, which move with the reason and the message too.
            aspects = ("status", "reason", "message") if new["kind"] == "Machine" else ("status",)
            if moved and all(one.get(each) == two.get(each) for each in aspects):
                self.say(f"condition {type} of {name} moved in time without changing")
            if one.get("status") != two.get("status") and not moved and _is_old(two, at):
                self.say(f"condition {type} of {name} changed without moving in time")

    def _claim(self, uid: str) -> Json | None:
        return next((each for each in self._claims() if each["metadata"]["uid"] == uid), None)

    def _claims(self) -> list[Json]:
        return [each for plural in CLAIMS for each in self._api.items(plural)]


def _conditions(item: Json) -> Mapping[str, Any]:
    return {each["type"]: each for each in (item.get("status") or {}).get("conditions") or []}


def _owner(machine: Json) -> str:
    return str(machine["metadata"].get("labels", {}).get(labels.CREATED_FOR, ""))


def _tags(pool: Json) -> str:
    return str(pool["properties"].get("tags", {}).get("kaito.sh_claim-uid", ""))


def _is_old(condition: Json, at: float) -> bool:
    """Whether a condition last changed so long ago that this cannot be the same second."""
    since = datetime.fromisoformat(condition["lastTransitionTime"].replace("Z", "+00:00"))
    return at - since.timestamp() > SLOWEST_SECONDS


def _cause(error: BaseException) -> BaseException:
    """The innermost of the errors that a process ended with."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
