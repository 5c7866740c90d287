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
_NUMBER = re.compile(r"\d+")


def refused(seen: Observed, step: Step, error: Exception) -> Step:
    """The step as it stands when one of `REFUSALS` keeps it from being carried out."""
    if isinstance(error, KubeError):
        told = _told(step, Reason.API_REFUSED, f"{error.message}{_remedy(seen, step, error)}")
    else:
        is_ours = isinstance(error, LabelsLost)
        reason = Reason.LABELS_LOST if is_ours else Reason.NAME_TAKEN
        told = _told(step, reason, str(error))
    return replace(told, recheck_seconds=_REFUSED_SECONDS)


def _remedy(seen: Observed, step: Step, error: KubeError) -> str:
    """What a person can do about it, where the server's words leave that open."""
    if isinstance(error, NotFound):
        return ": install the CRDs of the claims, or set --claim-kind"
    inference = seen.workspace.inference
    is_template = inference is not None and inference.template is not None
    if is_template and not isinstance(error, Denied) and any(map(_is_deployment, step.actions)):
        return ": if that is a field of inference.template, correct it there"
    return ""


def _is_deployment(action: Action) -> bool:
    """Whether a Deployment is written."""
    return isinstance(action, Create | Apply) and action.resource == DEPLOYMENTS


def _told(step: Step, reason: Reason, words: str) -> Step:
    """The step, not satisfied, with what the server says of it."""
    message = f"{step.message}: {words}" if step.message else words
    return replace(step, satisfied=False, reason=reason, message=message, actions=(), told=True)


@dataclass(frozen=True, slots=True)
class _Fault:
    """A fault that each try has met.

    Attributes:
        since: when the first did.
        message: what is said of it.
    """

    since: datetime
    message: str


class Faults:
    """Which workspaces meet a fault of the API server's own, or of a webhook that it asks.

    Such a fault is an error like any other, which is tried again later and later. One that lasts
    is told as well: otherwise the status would say for ever what was so before.
    """

    def __init__(self) -> None:
        self._met: dict[Ref, _Fault] = {}

    def met(self, seen: Observed, step: Step, error: ServerFault) -> Step | None:
        """What is to be told of a fault; None while it may pass by itself.

        Words that differ in numbers only, such as ports and times, are the same ones: the status
        does not change with each try.
        """
        words = f"{error.message}{_remedy(seen, step, error)}"
        found = replace(_told(step, Reason.API_REFUSED, words), lasting=False, recheck_seconds=None)
        before = self._met.get(seen.workspace.ref)
        if before and _NUMBER.sub("", before.message) == _NUMBER.sub("", found.message):
            found = replace(found, message=before.message)
        since = before.since if before else seen.now
        self._met[seen.workspace.ref] = _Fault(since, found.message)
        has_lasted = (seen.now - since).total_seconds() >= _PATIENCE_SECONDS
        return found if has_lasted else None

    def passed(self, ref: Ref) -> None:
        """Forget it: nothing has failed in that way, or there is no such workspace."""
        self._met.pop(ref, None)
