"""Claims that vanished before there was a machine for them, until that stands in the status.

Whoever carries claims out may delete one that it finds no machine for. That can be over before
anybody has looked at it, and a look at what is left cannot tell it from a claim that was never
made: it would be made again, for ever. A restart forgets them; each is asked for once more then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from kaito.controllers.workspace.observe import Observed, workspace_of
from kaito.controllers.workspace.roster import roster
from kaito.controllers.workspace.tuning import is_recorded
from kaito.kube.client import Client
from kaito.kube.lease import NotLeading
from kaito.kube.objects import Ref
from kaito.nodes.attempts import is_spent
from kaito.nodes.claim import Claim, claim_place, is_made_for, resource_of
from kaito.nodes.uptake import is_launched

_FORGET = timedelta(minutes=10)
"""How long a claim is remembered that nobody has put on record: no pause of a retry is longer."""
_MOST = 1000
"""Workspaces of which claims are remembered, those with the latest ones."""


@dataclass(frozen=True, slots=True)
class _Departure:
    """A claim as it was last, and when it was found gone."""

    claim: Claim
    at: datetime


@dataclass(slots=True)
class Departures:
    """Remembers such claims, the last one for each node of a workspace, and those we deleted.

    A replica that stands by takes note of none: it has not heard which of them the leader deletes
    as surplus, and would take these for refused.

    Attributes:
        now: the present, UTC.
        guard: raises unless this process leads.
    """

    now: Callable[[], datetime]
    guard: Callable[[], None] = lambda: None
    _known: dict[Ref, dict[int, _Departure]] = field(default_factory=dict)
    _given_back: dict[Ref, frozenset[str]] = field(default_factory=dict)

    def changed(self, before: Claim | None, after: Claim | None) -> None:
        """Take note of a claim that is there no more."""
        if before is None or after is not None or is_launched(before) or not self._leads():
            return
        for ref in workspace_of(before):
            ordinal, _ = claim_place(before)
            others = self._known.pop(ref, {})
            self._known[ref] = {**others, ordinal: _Departure(before, self.now())}
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]

    def _leads(self) -> bool:
        """Whether this process is the one that acts."""
        try:
            self.guard()
        except NotLeading:
            return False
        return True

    async def confirmed(self, seen: Observed, client: Client) -> Observed:
        """The same as `completed` says, without those that are still there.

        A claim that lost the label by which we watch it looks deleted, and somebody may be buying
        its machine: it is asked for again, by its name, and that says what it lacks.
        """
        whole = self.completed(seen)
        gone = []
        for claim in whole.claims[len(seen.claims) :]:
            if await client.get(resource_of(claim), claim.ref) is None:
                gone.append(claim)
            else:
                self._known.get(seen.workspace.ref, {}).pop(claim_place(claim)[0], None)
        return replace(seen, claims=(*seen.claims, *gone)) if gone else seen

    def completed(self, seen: Observed) -> Observed:
        """The same look, and in it, as if they still went, those that would be made again.

        The others are forgotten: they stand in the status, or nobody misses them.
        """
        departed = self._known.pop(seen.workspace.ref, {})
        known = {at: one for at, one in departed.items() if self.now() - one.at < _FORGET}
        if seen.workspace.is_deleting or is_recorded(seen):
            return seen
        seen = self._with_given_back(seen, (one.claim for one in known.values()))
        if not known:
            return seen
        missed = {
            ordinal: one
            for ordinal, one in known.items()
            if ordinal in roster(seen).missing and _is_news(one.claim, seen)
        }
        going = tuple(_going(one.claim, seen.now) for one in missed.values())
        whole = replace(seen, claims=(*seen.claims, *going))
        if not missed or roster(whole).surplus:
            return seen
        self._known[seen.workspace.ref] = missed
        return whole

    def _with_given_back(self, seen: Observed, departed: Iterable[Claim]) -> Observed:
        """The same look, and in it which claims go because we have deleted them as surplus."""
        before = self._given_back.pop(seen.workspace.ref, frozenset())
        left = {claim.metadata.uid for claim in (*seen.claims, *departed)}
        surplus = {claim.metadata.uid for claim in roster(seen).surplus}
        given_back = (before & left) | surplus
        if given_back:
            self._given_back[seen.workspace.ref] = given_back
        return seen if seen.given_back == given_back else replace(seen, given_back=given_back)

    def forget(self, workspace: Ref) -> None:
        """Keep nothing of a workspace that is gone."""
        self._known.pop(workspace, None)
        self._given_back.pop(workspace, None)


def _is_news(claim: Claim, seen: Observed) -> bool:
    """Whether a claim was of this very workspace, and its end is not on record."""
    is_ours = is_made_for(claim, seen.workspace.metadata.uid)
    return is_ours and not is_spent(claim, seen.workspace.status.attempts)


def _going(claim: Claim, now: datetime) -> Claim:
    """The claim as it is while it is being deleted, whatever was the last that we saw of it."""
    since = claim.metadata.deletion_timestamp or now
    metadata = claim.metadata.model_copy(update={"deletion_timestamp": since})
    return claim.model_copy(update={"metadata": metadata})
