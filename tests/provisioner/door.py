"""ARM with a trap in it: at one chosen request it has the provisioner killed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from hack.cluster.arm import addresses
from hack.cluster.arm.calls import Call
from hack.cluster.arm.exchange import DROPPED, Answer, Request
from hack.cluster.arm.frontdoor import CALLS, TOKEN_PATH, FrontDoor
from hack.cluster.arm.pools import Fleet
from hack.cluster.arm.provider import SYSTEM_POOL
from hack.cluster.arm.settings import Settings

LONG_SECONDS = 2.0
"""More than any operation takes here."""


class Moment(StrEnum):
    """Where, between the decision to send a request and the knowledge of its answer."""

    UNSENT = "unsent"
    """Before the request leaves: ARM never has it."""
    LATE_FIRST = "late, before the next"
    """It is on its way; ARM has carried it out when it has the same request of the successor."""
    LATE_SECOND = "late, after the next"
    """It is on its way; ARM has it just after the same request of the successor."""
    UNANSWERED = "unanswered"
    """ARM has carried it out, and the answer does not leave."""
    ANSWERED = "answered"
    """The answer is out, or on its way."""


@dataclass
class Trap:
    """One request at which the provisioner dies.

    Attributes:
        call: what the request is.
        moment: when it dies.
        pool: expression for the name of the pool; of calls about none it is "".
        skip: how many such requests go through first.
        delay_seconds: from the answer to the death, for `ANSWERED`.
        sprung: set once it is dead.
    """

    call: Call
    moment: Moment
    pool: str = ".*"
    skip: int = 0
    delay_seconds: float = 0.0
    sprung: asyncio.Event = field(default_factory=asyncio.Event)
    belated: Request | None = None

    def concerns(self, request: Request) -> bool:
        """Whether the request is one of those that it waits for."""
        call, pool = about(request)
        return call is self.call and re.fullmatch(self.pool, pool) is not None


class Door(FrontDoor):
    """The whole of ARM, as the provisioner knows it; `trap` and `kill` are set by tests."""

    trap: Trap | None = None
    kill: Callable[[], None]
    ahead_seconds = 0.0
    """By how much its clock is ahead of ours."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, clock=lambda: time.time() + self.ahead_seconds)

    def answer(self, request: Request) -> Answer:
        """Answer as ARM does, unless the trap springs."""
        trap = self.trap
        if trap is None or not trap.concerns(request):
            return super().answer(request)
        if trap.sprung.is_set():
            return self._answer_successor(trap, request)
        if trap.skip:
            trap.skip -= 1
            return super().answer(request)
        return self._spring(trap, request)

    def fleet(self) -> Fleet:
        """All pools, as they are now."""
        self._advance()
        return self._provider.fleet

    def raze(self) -> None:
        """Forget every pool but the cluster's own."""
        fleet = self.fleet()
        kept = {SYSTEM_POOL: fleet.pools[SYSTEM_POOL]}
        self._provider.fleet = fleet.model_copy(update={"pools": kept, "operations": {}})

    def deliver(self) -> None:
        """Carry out what is still on its way."""
        if self.trap and self.trap.belated:
            request, self.trap.belated = self.trap.belated, None
            super().answer(request)

    def _spring(self, trap: Trap, request: Request) -> Answer:
        if trap.moment in {Moment.UNSENT, Moment.LATE_FIRST, Moment.LATE_SECOND}:
            self._strike(trap)
            trap.belated = None if trap.moment is Moment.UNSENT else request
            return DROPPED
        answer = super().answer(request)
        if trap.moment is Moment.UNANSWERED:
            self._strike(trap)
            return DROPPED
        asyncio.get_running_loop().call_later(trap.delay_seconds, self._strike, trap)
        return answer

    def _answer_successor(self, trap: Trap, request: Request) -> Answer:
        """The successor sends what the dead one had sent, which has not arrived yet."""
        if trap.moment is Moment.LATE_FIRST and trap.belated:
            self.deliver()
            self.ahead_seconds += LONG_SECONDS
        answer = super().answer(request)
        self.deliver()
        return answer

    def _strike(self, trap: Trap) -> None:
        self.kill()
        trap.sprung.set()


def about(request: Request) -> tuple[Call | None, str]:
    """What a request is, and the name of the pool that it is about."""
    if TOKEN_PATH.fullmatch(request.path):
        return Call.SIGN_IN, ""
    address = addresses.parsed(request.path)
    if address is None:
        return None, ""
    return CALLS.get((address.kind, request.method)), address.pool
