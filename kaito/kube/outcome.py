"""What a reconcile means for its key: when to look again, and how loud to be.

This table is the only place that maps an error class to the queue. Programs with error
families of their own hand further rows to their Controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from kaito.kube.errors import (
    Conflict,
    Denied,
    Expired,
    InvalidSpec,
    KubeError,
    Throttled,
    Unavailable,
)
from kaito.kube.lease import NotLeading


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reconcile returns.

    Attributes:
        recheck_seconds: look again after that long; None means only when something changes.
    """

    recheck_seconds: float | None = None


DONE = Outcome()


class Level(StrEnum):
    """How loud a failure is; BUG also prints the traceback."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    BUG = "exception"


@dataclass(frozen=True, slots=True)
class Policy:
    """What to do about an error of one class.

    Attributes:
        level: of the log line.
        wait_seconds: until the next try; the server's own wish goes before it.
        cap_seconds: when given, the wait doubles with each failure in a row up to this.
    """

    level: Level
    wait_seconds: float
    cap_seconds: float | None = None


Policies = Mapping[type[Exception], Policy]

BUG = Policy(Level.BUG, wait_seconds=1, cap_seconds=300)

POLICIES: Policies = {
    InvalidSpec: Policy(Level.WARNING, wait_seconds=600),
    # Our view was old. A moment lets the informer catch up before the next try.
    Conflict: Policy(Level.DEBUG, wait_seconds=0.05, cap_seconds=2),
    Expired: Policy(Level.DEBUG, wait_seconds=0.05, cap_seconds=2),
    Throttled: Policy(Level.INFO, wait_seconds=1, cap_seconds=300),
    Denied: Policy(Level.ERROR, wait_seconds=300),
    # The lease is lost: this process is about to end, and another one does the work.
    NotLeading: Policy(Level.INFO, wait_seconds=1),
    Unavailable: Policy(Level.WARNING, wait_seconds=1, cap_seconds=300),
    TimeoutError: Policy(Level.WARNING, wait_seconds=1, cap_seconds=300),
    # The rest of the family: the API server refuses what we ask for, or speaks otherwise
    # than we expect. A person has to look; trying on lets it heal when they have.
    KubeError: Policy(Level.ERROR, wait_seconds=1, cap_seconds=300),
}


def policy(error: Exception, policies: Policies) -> Policy:
    """The row of the nearest class of `error` that has one; BUG when none has."""
    for each in type(error).__mro__:
        if each in policies:
            return policies[each]
    return BUG


def asked_seconds(error: Exception) -> float | None:
    """How long the server asked us to wait, None when it did not."""
    return error.retry_after_seconds if isinstance(error, KubeError) else None
