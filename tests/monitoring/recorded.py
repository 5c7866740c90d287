"""Every state of a Workspace or Machine in stories of both controllers, told in virtual time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache

from tests.bystander import Json
from tests.virtual import plans
from tests.virtual.cases import CASES

PLURALS = {"Workspace": "workspaces", "Machine": "machines"}
DRAWN = re.compile(r"\bws[0-9a-z]{9}\b")
"""Names of claims, which follow from their owner's uid."""


def states(kind: str) -> tuple[Json, ...]:
    """What was stored, one after the other, in a story of each thing that a user does."""
    return _told()[PLURALS[kind]]


def gist(obj: Json) -> str:
    """What a tool that judges an object's health can go by, without names and times."""
    status = obj.get("status", {})
    told = [
        [each["type"], each["status"], each.get("reason"), each.get("message")]
        for each in status.get("conditions", ())
    ]
    meta = obj["metadata"]
    parts = [obj["kind"], meta["generation"], "deletionTimestamp" in meta]
    return DRAWN.sub("CLAIM", json.dumps([*parts, status.get("observedGeneration"), told]))


@cache
def _told() -> Mapping[str, tuple[Json, ...]]:
    """States by resource; the stories are told once."""
    lines = [line for case in CASES for line in plans.verdict(f"fair/{case.name}").trace]
    changes = [line.split(" ", 3) for line in lines]
    return {
        plural: tuple(json.loads(text) for _, _, each, text in changes if each == plural)
        for plural in PLURALS.values()
    }
