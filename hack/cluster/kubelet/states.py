"""What a container is doing, and what its end means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

STATUS_UNKNOWN = "ContainerStatusUnknown"
KILLED_EXIT_CODE = 137
"""128 + SIGKILL."""

START_FAILED_EXIT_CODE = 128


@dataclass(frozen=True, slots=True)
class Waiting:
    """It does not run yet, or not at this moment."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """It runs."""

    started_at: datetime


@dataclass(frozen=True, slots=True)
class Terminated:
    """It has ended."""

    exit_code: int
    reason: str
    started_at: datetime | None
    finished_at: datetime | None
    message: str = ""
    container_id: str = ""

    @property
    def is_success(self) -> bool:
        """Exit code 0."""
        return self.exit_code == 0

    @property
    def ran_seconds(self) -> float:
        """How long the run lasted; 0 when that is not known."""
        if self.started_at is None or self.finished_at is None:
            return 0.0
        return (self.finished_at - self.started_at).total_seconds()


State = Waiting | Running | Terminated


@dataclass(frozen=True, slots=True)
class View:
    """One container as its pod's status shows it.

    Attributes:
        name: of the container.
        image: as the spec names it.
        state: now.
        last: how its previous run ended; None before the first restart.
        restarts: how often it was started again.
        ready: whether it takes requests.
        started: whether it runs and its startup probe, if any, has succeeded.
        image_id: which content the image's name stood for; "" when it is not known.
        container_id: of the current run; "" before the first.
    """

    name: str
    image: str
    state: State
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False
    image_id: str = ""
    container_id: str = ""

    @property
    def is_complete(self) -> bool:
        """It has ended well."""
        return isinstance(self.state, Terminated) and self.state.is_success


def restarts_after(end: Terminated, policy: str) -> bool:
    """Whether a container that ended so is started again under that restart policy."""
    if policy == "OnFailure":
        return not end.is_success
    return policy == "Always"


def ended(
    exit_code: int, *, started_at: datetime, finished_at: datetime, **more: str
) -> Terminated:
    """The end of a run, with the reason that follows from its exit code.

    Args:
        exit_code: as a shell counts: 128 + n for signal n.
        started_at: of the run.
        finished_at: of the run.
        more: `reason` to override the usual one, `message`, `container_id`.
    """
    reason = more.pop("reason", "") or ("Completed" if exit_code == 0 else "Error")
    return Terminated(exit_code, reason, started_at, finished_at, **more)


@dataclass(slots=True)
class BackOff:
    """Delays that double; a run that lasts long enough starts them anew.

    Attributes:
        base_seconds: the first delay.
        cap_seconds: the longest; twice it is how long a run must last to be forgiven.
    """

    base_seconds: float
    cap_seconds: float
    _next_seconds: float = 0.0

    def delay(self, *, ran_seconds: float = 0.0) -> float:
        """Seconds to wait before the next try, after one that lasted `ran_seconds`."""
        if ran_seconds >= 2 * self.cap_seconds:
            self._next_seconds = 0.0
        seconds = self._next_seconds or self.base_seconds
        self._next_seconds = min(2 * seconds, self.cap_seconds)
        return seconds
