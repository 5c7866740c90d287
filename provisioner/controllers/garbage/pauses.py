"""How long a leftover is left alone after it was asked to go.

A deletion that was accepted shows in a later list only, and may come to nothing; one that was
refused would be refused again by the next list's sweep. Times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kaito.kube.backoff import doubled
from provisioner.failures import CloudError, wait_seconds

FIRST_SECONDS, CAP_SECONDS = 10.0, 300.0
"""After a deletion that was accepted, before it is asked for again."""


@dataclass(slots=True)
class Pauses:
    """By uid of the claim: no further request before this, and how many there were."""

    _known: dict[str, tuple[float, int]] = field(default_factory=dict)

    def is_over(self, uid: str, *, monotonic: float) -> bool:
        """Whether it may be asked to go."""
        return monotonic >= self._known.get(uid, (monotonic, 0))[0]

    def asked(self, uid: str, failure: CloudError | None, *, monotonic: float) -> None:
        """It was asked to go, and that was accepted unless there is a failure."""
        times = self._known.get(uid, (0.0, 0))[1] + 1
        if failure:
            pause = wait_seconds(failure, failures=times)
        else:
            pause = doubled(times - 1, first_seconds=FIRST_SECONDS, cap_seconds=CAP_SECONDS)
        self._known[uid] = (monotonic + pause, times)

    def keep(self, uids: frozenset[str]) -> None:
        """Forget whatever is not among these."""
        for uid in self._known.keys() - uids:
            del self._known[uid]
