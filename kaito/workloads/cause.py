"""Why pods do not run, as a value. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from kaito.api.reasons import Reason
from kaito.kube.objects import Condition


@dataclass(frozen=True, slots=True)
class Cause:
    """Why pods do not run.

    Attributes:
        reason: from the closed vocabulary.
        message: what happened and what to do; stable as long as the cause is the same.
        lasting: waiting alone has not helped: a person has to act.
        until: when something else is to be said, if nothing changes; None where only a change
            decides.
        subject: how the message begins, where a look may know no more than that: an earlier one
            that began alike stands. "" where each look knows it all.
    """

    reason: Reason
    message: str
    lasting: bool = False
    until: datetime | None = None
    subject: str = ""

    def recalled(self, said: Condition | None) -> Cause:
        """The cause, in the words of an earlier look, where those say more.

        Args:
            said: the condition that tells of it.
        """
        if not (self.subject and said and said.reason == self.reason):
            return self
        _, found, words = said.message.partition(self.subject)
        return replace(self, message=found + words) if found else self
