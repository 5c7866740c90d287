"""Conditions: one aspect of an object each, with the time since when it is so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kaito.kube.objects import Condition


def merged(
    old: Sequence[Condition], new: Sequence[Condition], *, now: datetime
) -> tuple[Condition, ...]:
    """The old conditions with the new ones in place of those of the same type.

    `last_transition_time` moves to `now` only where the status changes, in whole seconds as
    metav1.Time has it. Types that are not in `new` stay as they are, and everything keeps
    its place.
    """
    before = {each.type: each for each in old}
    moment = now.replace(microsecond=0)
    after = {each.type: _since(before.get(each.type), each, moment) for each in new}
    return tuple({**before, **after}.values())


def condition(conditions: Sequence[Condition], type: str) -> Condition | None:
    """The condition of that type, None when there is none."""
    return next((each for each in conditions if each.type == type), None)


def is_true(conditions: Sequence[Condition], type: str) -> bool:
    """Whether there is a condition of that type and its status is True."""
    found = condition(conditions, type)
    return found is not None and found.status == "True"


def _since(old: Condition | None, new: Condition, now: datetime) -> Condition:
    """`new`, true since when `old` was if they agree, else since `now`."""
    unchanged = old is not None and old.status == new.status
    since = old.last_transition_time if old is not None and unchanged else None
    return new.model_copy(update={"last_transition_time": since or now})
