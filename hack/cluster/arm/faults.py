"""Failures on request: a scenario of rules, read from a file, that says which call goes wrong.

    {"quotas": {"standardNCSv3Family": 24},
     "rules": [{"match": {"pool": "ws.*", "operation": "PUT"}, "fault": "throttle",
                "times": 3, "retryAfterSeconds": 2}]}

The first rule that matches and still has times left is the one that fires. The file may change
at any time; its counts begin again then, and survive a restart of the server otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path

import structlog
from pydantic import BaseModel, Field, ValidationError

from hack.cluster.arm.calls import BY_DEFAULT, Attempt, Call, Expression, Input
from hack.cluster.arm.rate import Limit

SCENARIO_LOADED = "scenario.loaded"
SCENARIO_REJECTED = "scenario.rejected"

log = structlog.get_logger()


class Fault(StrEnum):
    """What goes wrong."""

    QUOTA = "quota"
    """PUT is refused: not enough vCPU quota."""
    SKU = "sku"
    """PUT is refused: the VM size is not sold to this subscription."""
    ALLOCATION = "allocation"
    """PUT is accepted; its operation fails, and the pool stays Failed."""
    CONFLICT = "conflict"
    """409: another operation is in progress on the cluster."""
    THROTTLE = "throttle"
    """429 with Retry-After."""
    DENIED = "denied"
    """403: no role."""
    UNAVAILABLE = "unavailable"
    """503."""
    DROP = "drop"
    """The connection is closed without an answer."""
    STUCK_CREATING = "stuck-creating"
    """PUT is accepted and never ends; its machines may run all the same."""
    STUCK_DELETING = "stuck-deleting"
    """DELETE is accepted and never ends."""
    CLUSTER_MISSING = "cluster-missing"
    """404 of the cluster, not of the pool."""
    REFUSE = "refuse"
    """Any error: its status, code and words are the rule's own."""


PUT_FAULTS = frozenset((Fault.QUOTA, Fault.SKU, Fault.ALLOCATION, Fault.STUCK_CREATING))
"""These are only ever of a PUT, once everything else about it is accepted."""
DELETE_FAULTS = frozenset((Fault.STUCK_DELETING,))
LATE_FAULTS = PUT_FAULTS | DELETE_FAULTS
EARLY_FAULTS = frozenset(Fault) - LATE_FAULTS
"""These come before the provider looks at the request."""


class Match(Input):
    """Which requests a rule is about; what is left out matches all."""

    pool: Expression = ".*"
    vm_size: Expression = ".*"
    operation: Expression = ""
    """PUT, GET, LIST, DELETE, ABORT, POLL, SKUS, USAGES or SIGN_IN.

    "" stands for those that the fault is about.
    """


class Cause(Input):
    """One of the `details` of an error."""

    code: str
    message: str = ""


class Rule(Input):
    """One thing that goes wrong."""

    match: Match = Match()
    fault: Fault
    times: int | None = Field(default=None, ge=0)
    """How often it fires; None for ever."""
    after: int = Field(default=0, ge=0)
    """How many matching requests go through first."""
    retry_after_seconds: int | None = Field(default=None, ge=0)
    """Retry-After of throttle (1 when left out), unavailable and refuse (none when left out)."""
    seconds: float | None = Field(default=None, ge=0)
    """How long a stuck operation hangs before it goes on; None for ever."""
    boot_seconds: float | None = Field(default=None, ge=0)
    """After how long the machines of stuck-creating run; None for when it has ended."""
    limit: int = Field(default=0, ge=0)
    """vCPU limit that quota tells."""
    code: str = "AllocationFailed"
    """Error code that allocation ends with, and that refuse answers."""
    message: str = ""
    """Its words; "" for the usual ones."""
    status: int = Field(default=400, ge=400, le=599)
    """HTTP status of refuse."""
    causes: tuple[Cause, ...] = ()
    """Details of refuse."""
    at_front_door: bool = False
    """For refuse: the body has the front door's shape, else the resource provider's."""
    takes_effect: bool = False
    """For drop: the request is carried out, and only its answer is lost."""


class Scenario(Input):
    """Everything that is to go wrong."""

    quotas: dict[str, int] = {}
    """vCPU limits by quota family; a family that is not named has no limit."""
    limits: tuple[Limit, ...] = ()
    """How many requests are taken; without any, all are."""
    rules: tuple[Rule, ...] = ()


class Progress(BaseModel):
    """How far the rules of one scenario have come; part of the server's state."""

    stamp: str = ""
    """Of the file that the counts are about."""
    seen: dict[int, int] = {}
    """Matching requests, by the rule's place."""
    fired: dict[int, int] = {}


class Script:
    """The scenario file, and the counts of its rules."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self.progress = progress
        self._path = path
        self._read = "never"
        self._scenario = Scenario()

    def scenario(self) -> Scenario:
        """What the file says now; what it said before, while it is not legal."""
        stamp = _stamp(self._path)
        if stamp == self._read:
            return self._scenario
        self._read = stamp
        try:
            text = self._path.read_text() if stamp else "{}"
            self._scenario = Scenario.model_validate_json(text)
        except (OSError, ValidationError) as error:
            log.warning(SCENARIO_REJECTED, path=str(self._path), error=str(error))
            return self._scenario
        log.info(SCENARIO_LOADED, rules=len(self._scenario.rules), path=str(self._path))
        if stamp != self.progress.stamp:
            self.progress = Progress(stamp=stamp)
        return self._scenario

    def replace(self, scenario: Scenario) -> None:
        """Write the file, in one step, and begin to count anew."""
        scratch = self._path.with_suffix(".new")
        scratch.write_text(scenario.model_dump_json(by_alias=True, indent=2) + "\n")
        scratch.replace(self._path)
        self.progress = Progress()

    def is_restricted(self, vm_size: str) -> bool:
        """Whether a rule refuses that size for good; the list of sizes says so as well."""
        return any(
            rule.fault is Fault.SKU
            and rule.times is None
            and re.fullmatch(rule.match.vm_size, vm_size) is not None
            for rule in self.scenario().rules
        )

    def fires(self, attempt: Attempt, among: Collection[Fault]) -> Rule | None:
        """The rule that makes this request go wrong, if one does; it is counted."""
        for place, rule in enumerate(self.scenario().rules):
            if rule.fault not in among or not concerns(rule, attempt):
                continue
            seen = self.progress.seen[place] = self.progress.seen.get(place, 0) + 1
            fired = self.progress.fired.get(place, 0)
            if seen > rule.after and (rule.times is None or fired < rule.times):
                self.progress.fired[place] = fired + 1
                return rule
        return None


def concerns(rule: Rule, attempt: Attempt) -> bool:
    """Whether the rule is about requests like this one."""
    match = rule.match
    return (
        _concerns_call(rule, attempt.call)
        and re.fullmatch(match.pool, attempt.pool) is not None
        and re.fullmatch(match.vm_size, attempt.vm_size) is not None
    )


def _concerns_call(rule: Rule, call: Call) -> bool:
    if rule.fault in PUT_FAULTS:
        return call is Call.PUT
    if rule.fault in DELETE_FAULTS:
        return call is Call.DELETE
    if not rule.match.operation:
        return call in BY_DEFAULT
    return re.fullmatch(rule.match.operation, call) is not None


def _stamp(path: Path) -> str:
    """Changes whenever the file does; "" while there is none."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return ""
    return f"{about.st_mtime_ns}/{about.st_ino}/{about.st_size}"
