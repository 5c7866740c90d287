"""The cloud in the same process: the local ARM server's front door, asked without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.arm import frontdoor, wire
from hack.cluster.arm.addresses import pools_path
from hack.cluster.arm.exchange import Answer, Request
from hack.cluster.arm.faults import LATE_FAULTS, Rule, Scenario
from hack.cluster.arm.frontdoor import FrontDoor
from hack.cluster.arm.settings import Settings
from hack.cluster.arm.sizes import sizes
from provisioner.azure import agentpool, errors
from provisioner.cloud import Instance, InstanceSpec
from provisioner.failures import CloudError, CloudThrottled, CloudUnavailable
from provisioner.turns import Turns
from tests.virtual.door import ANSWER_SECONDS, Link

PROVISION_SECONDS = 90.0
DELETE_SECONDS = 60.0
SIZES = cache(sizes)
"""The real ones, read once."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One change that the cloud agreed to.

    Attributes:
        verb: "launch" or "terminate".
        pool: its name.
        owner: uid of the claim in the pool's tags.
        at: seconds of the server's clock.
        state: of the pool before.
        by: identity of who asked for it.
        is_late: whether it was asked for some time before.
    """

    verb: str
    pool: str
    owner: str
    at: float
    state: str
    by: str
    is_late: bool


@dataclass(frozen=True, slots=True)
class Bid:
    """A request for a pool is sent, or its sender learns that it came to nothing.

    Attributes:
        who: identity of the sender.
        owner: uid of the claim.
        at: seconds of the server's clock.
        failure: why it came to nothing; None when it is sent.
    """

    who: str
    owner: str
    at: float
    failure: CloudError | None = None


class _Door(FrontDoor):
    """A front door where nobody has to show who they are."""

    def _check_caller(self, request: Request, now: float) -> None:
        """Let everybody in: credentials are the business of tests of their own."""


class Arm:
    """The cloud itself, which outlives every process that calls it.

    Attributes:
        deeds: all changes, in order.
        on_deed: called with each at its moment.
        on_bid: called with each at its moment.
        asked: when it was last asked to change something, whatever came of that.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        key = folder / "issuer.pub"
        key.write_text("never asked for: nobody signs in")
        settings = Settings(
            home=folder,
            certificate=folder,
            key=folder,
            issuer_key=key,
            provision_seconds=PROVISION_SECONDS,
            delete_seconds=DELETE_SECONDS,
            page_size=1000,
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(frontdoor, "sizes", SIZES)
            self._door = _Door(settings, clock=clock)
        self._clock = clock
        self._listed: tuple[int, list[Any]] | None = None
        self._fails = False
        self.deeds: list[Deed] = []
        self.on_deed: list[Callable[[Deed], None]] = []
        self.on_bid: list[Callable[[Bid], None]] = []
        self.asked = 0.0

    def fail(self, rule: Rule) -> None:
        """Have requests fail by a rule."""
        self._fails = rule.fault not in LATE_FAULTS and "LIST" in rule.match.operation
        self._door.play(Scenario(rules=(rule,)))

    def fired(self) -> int:
        """How many requests have failed by the rule."""
        return sum(self._door.scenario()[1].values())

    def bid(self, bid: Bid) -> None:
        """Tell of it."""
        for hear in self.on_bid:
            hear(bid)

    def ask(self, method: str, pool: str, body: object, *, by: str, sent_at: float) -> Answer:
        """One request, and its answer.

        Args:
            method: of HTTP.
            pool: its name; "" asks for all.
            body: of the request.
            by: identity of who sent it.
            sent_at: when, in seconds of the server's clock.
        """
        if method == "GET" and not pool:
            return self._list()
        if method in ("PUT", "DELETE"):
            self.asked = self._clock()
        before = self.pool(pool) if method in ("PUT", "DELETE") else None
        answer = self._door.answer(_request(method, pool, body))
        if method in ("PUT", "DELETE") and answer.status in (200, 201, 202):
            found = before or self.pool(pool) or {}
            properties = found.get("properties", {})
            owner = properties.get("tags", {}).get(agentpool.TAG_UID, "")
            verb = "launch" if method == "PUT" else "terminate"
            state = properties.get("provisioningState", "") if before else ""
            now = self._clock()
            deed = Deed(verb, pool, owner, now, state, by, is_late=now > sent_at)
            self.deeds.append(deed)
            for hear in self.on_deed:
                hear(deed)
        return answer

    def now(self) -> float:
        """Seconds of the server's clock."""
        return self._clock()

    def pools(self) -> list[dict[str, Any]]:
        """All pools but the system's, as GET tells them."""
        return [pool for pool in self._everything() if pool["name"] != "system"]

    def revision(self) -> int:
        """Grows with every change of a pool."""
        return self._door.revision()

    def seconds_to_change(self) -> float | None:
        """How long until a pool changes by itself; None while none is going to."""
        return self._door.seconds_to_change()

    def pool(self, name: str) -> dict[str, Any] | None:
        """One pool."""
        return next((pool for pool in self.pools() if pool["name"] == name), None)

    def close(self) -> None:
        """Close its files."""
        self._door.close()

    def _list(self) -> Answer:
        """All pools, unless that is to fail."""
        if self._fails:
            return self._door.answer(_request("GET", "", None))
        return Answer(200, {"value": self._everything()})

    def _everything(self) -> list[Any]:
        """All pools; the same list as long as nothing has changed."""
        revision = self.revision()
        if self._listed is None or self._listed[0] != revision:
            fleet = self._door._provider.fleet
            listed = [wire.pool_body(fleet.pools[name]) for name in sorted(fleet.pools)]
            self._listed = (revision, listed)
        return self._listed[1]


class LocalCloud:
    """A `provisioner.cloud.Cloud` on that front door."""

    def __init__(self, arm: Arm, link: Link) -> None:
        self._arm = arm
        self._link = link
        self.turns = Turns(arm.now)
        self._known: tuple[object, tuple[Instance, ...]] = (None, ())

    async def launch(self, spec: InstanceSpec) -> None:
        """Begin to create a pool."""
        bid = Bid(self._link.who, spec.owner.uid, self._arm.now())
        self._arm.bid(bid)
        try:
            _check(await self._call("PUT", spec.name, agentpool.body(spec)))
        except CloudError as failure:
            self._arm.bid(replace(bid, at=self._arm.now(), failure=failure))
            raise

    async def terminate(self, name: str) -> None:
        """Begin to delete a pool."""
        answer = await self._call("DELETE", name)
        if not errors.is_pool_gone(answer.status, _told(answer)):
            _check(answer)

    async def instances(self) -> tuple[Instance, ...]:
        """All pools."""
        await self.turns.wait("list")
        answer = await self._call("GET", "")
        _check(answer)
        body: Any = answer.body
        if self._known[0] is not body["value"]:
            found = tuple(agentpool.instance(pool) for pool in body["value"])
            self._known = (body["value"], found)
        return self._known[1]

    async def close(self) -> None:
        """Nothing is open."""

    async def _call(self, method: str, pool: str, body: object = None) -> Answer:
        sent_at = self._arm.now()
        try:
            answer = await self._link.carry(
                f"{method} pool/{pool}",
                lambda: self._arm.ask(method, pool, body, by=self._link.who, sent_at=sent_at),
                seconds=ANSWER_SECONDS,
            )
        except ConnectionError as error:
            raise CloudUnavailable("Broken", "the connection broke") from error
        failure = None if 200 <= answer.status < 300 else _failure(answer)
        if isinstance(failure, CloudThrottled):
            self.turns.refused(failure.retry_after_seconds)
        return answer


def _request(method: str, pool: str, body: object) -> Request:
    return Request(
        method=method,
        path=f"{pools_path()}/{pool}".rstrip("/"),
        query={"api-version": "2025-01-01"},
        headers={"if-none-match": "*"} if method == "PUT" else {},
        body=json.dumps(body).encode() if body is not None else b"",
    )


def _check(answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        raise _failure(answer)


def _failure(answer: Answer) -> CloudError:
    after = answer.headers.get("Retry-After", "")
    return errors.classified(_told(answer), status=answer.status, retry_after=after)


def _told(answer: Answer) -> errors.ArmError:
    return errors.decoded(json.dumps(answer.body or {}))
