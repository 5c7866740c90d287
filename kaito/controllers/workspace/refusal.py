"""What the API server does not let us do, as the status tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from kaito.api.reasons import Reason
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Action, Apply, Create, Step
from kaito.kube.errors import Denied, Invalid, KubeError, NotFound, ServerFault
from kaito.kube.kinds import DEPLOYMENTS
from kaito.kube.objects import Ref
from kaito.kube.writer import LabelsLost, NameTaken

REFUSALS = (NameTaken, LabelsLost, NotFound, Denied, Invalid)
"""What is told at once: a person has to act."""
_REFUSED_SECONDS = 60.0
"""How soon to try again what was refused: rights and strangers' objects are not watched."""
_PATIENCE_SECONDS = 5.0
"""How long a fault may last before it is told: most pass with the next try."""
_SAID_SECONDS = 60.0
"""How long the words of an answer stay at least: the next may differ in the name of a request."""
_NUMBER = re.compile(r"\d+")


def _remedy(seen: Observed, step: Step, error: KubeError) -> str:
    """What a person can do about it, where the server's words leave that open."""
    if isinstance(error, NotFound):
        return ": install the CRDs of the claims, or set --claim-kind"
    inference = seen.workspace.inference
    is_template = inference is not None and inference.template is not None
    is_fault = isinstance(error, ServerFault)
    if is_template and not isinstance(error, Denied) and any(map(_is_deployment, step.actions)):
        field = ": if that is a field of inference.template, correct it there"
        return f"{field}, or mend the webhook that the message names" if is_fault else field
    return ": mend the webhook that the message names, if any" if is_fault else ""


def _is_deployment(action: Action) -> bool:
    """Whether a Deployment is written."""
    return isinstance(action, Create | Apply) and action.resource == DEPLOYMENTS


def _told(step: Step, reason: Reason, words: str) -> Step:
    """The step, not satisfied, with what the server says of it."""
    message = f"{step.message}: {words}" if step.message else words
    return replace(step, satisfied=False, reason=reason, message=message, actions=(), told=True)


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of an answer, as they were told first.

    Attributes:
        of: the generation, and the step, that was answered so.
        since: when.
        words: the words.
    """

    of: tuple[int, str, str]
    since: datetime
    words: str


class Faults:
    """Which workspaces meet a fault of the API server's own, or of a webhook that it asks.

    Such a fault is an error like any other, which is tried again later and later. One that lasts
    is told as well: otherwise the status would say for ever what was so before.

    What is told of an answer stays as it is for a while: each change of the status has the
    workspace looked at again at once, and the next answer may name another request.
    """

    def __init__(self) -> None:
        self._since: dict[Ref, datetime] = {}
        self._said: dict[Ref, _Said] = {}

    def refused(self, seen: Observed, step: Step, error: Exception) -> Step:
        """The step as it stands when one of `REFUSALS` keeps it from being carried out."""
        self._since.pop(seen.workspace.ref, None)
        if isinstance(error, KubeError):
            told = self._answered(seen, step, error)
        else:
            is_ours = isinstance(error, LabelsLost)
            told = _told(step, Reason.LABELS_LOST if is_ours else Reason.NAME_TAKEN, str(error))
        return replace(told, recheck_seconds=_REFUSED_SECONDS)

    def met(self, seen: Observed, step: Step, error: ServerFault) -> Step | None:
        """What is to be told of a fault; None while it may pass by itself."""
        since = self._since.setdefault(seen.workspace.ref, seen.now)
        found = replace(self._answered(seen, step, error), lasting=False, recheck_seconds=None)
        has_lasted = (seen.now - since).total_seconds() >= _PATIENCE_SECONDS
        return found if has_lasted else None

    def passed(self, ref: Ref) -> None:
        """Forget it: nothing has failed in that way, or there is no such workspace."""
        self._since.pop(ref, None)
        self._said.pop(ref, None)

    def _answered(self, seen: Observed, step: Step, error: KubeError) -> Step:
        """The step with what the server says of it.

        Words that differ in numbers only, such as ports and times, are the same ones for ever.
        """
        metadata = seen.workspace.metadata
        now = _Said(
            of=(metadata.generation, step.condition, step.message),
            since=seen.now,
            words=f"{error.message}{_remedy(seen, step, error)}",
        )
        before = self._said.get(seen.workspace.ref)
        if before is None or not _stands(before, now):
            before = self._said[seen.workspace.ref] = now
        return _told(step, Reason.API_REFUSED, before.words)


def _stands(before: _Said, now: _Said) -> bool:
    """Whether what was told stays, whatever is said now."""
    is_fresh = (now.since - before.since).total_seconds() < _SAID_SECONDS
    is_same = _NUMBER.sub("", before.words) == _NUMBER.sub("", now.words)
    return before.of == now.of and (is_fresh or is_same)
