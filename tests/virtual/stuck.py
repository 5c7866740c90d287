"""What a user finds where a Workspace cannot come up: it says so, and nobody tries for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.virtual.api import Api
from tests.virtual.cloud import Arm
from tests.virtual.wire import Json

QUIET_SECONDS = 600.0
"""How long nobody has asked for anything by then."""
CLAIMS = ("machines", "nodeclaims")


@dataclass(frozen=True, slots=True)
class Stuck:
    """How things stand when the user looks.

    Attributes:
        seconds: how long the user waits before that.
        claims: how many there are.
        claim_says: reason and words of their condition of the launch.
        workspace_says: words in one of the Workspace's conditions.
        most: pools that may have been created since the beginning.
    """

    seconds: float
    claims: int
    claim_says: tuple[str, str]
    workspace_says: str
    most: int


UNSOLD = Stuck(
    seconds=3000,
    claims=1,
    claim_says=("SkuUnavailable", "Choose an instance type that is sold to this subscription"),
    workspace_says="Choose an instance type that is sold to this subscription",
    most=1,
)
NODELESS = Stuck(
    seconds=7200,
    claims=0,
    claim_says=("", ""),
    workspace_says="gave up after 4 claims",
    most=4,
)


def wrong(stuck: Stuck, api: Api, arm: Arm, *, written: float) -> Iterator[str]:
    """What is not as it should be.

    Args:
        stuck: how it should be.
        api: where it is told.
        arm: where nothing is to run.
        written: when somebody last asked for anything.
    """
    claims = [claim for plural in CLAIMS for claim in api.items(plural)]
    if len(claims) != stuck.claims:
        yield f"stuck, there are {len(claims)} claims, and not {stuck.claims}"
    reason, words = stuck.claim_says
    for claim in claims:
        if not any(_tells(each, reason, words) for each in _conditions(claim)):
            yield f"stuck, a claim does not tell {reason}: {_conditions(claim)}"
    if arm.pools() or api.items("nodes"):
        yield f"stuck, there are pools {[pool['name'] for pool in arm.pools()]}"
    launches = sum(deed.verb == "launch" for deed in arm.deeds)
    if launches > stuck.most:
        yield f"stuck, {launches} pools were created, and at most {stuck.most} may be"
    told = [each for item in api.items("workspaces") for each in _conditions(item)]
    if not any(_tells(each, "", stuck.workspace_says) for each in told):
        yield f"stuck, the workspace does not say {stuck.workspace_says!r}: {told}"
    if arm.now() - written < QUIET_SECONDS:
        yield f"stuck, somebody still tries, the last time at {written:.1f}"


def _tells(condition: Json, reason: str, words: str) -> bool:
    """Whether a condition that is not True says so."""
    is_false: bool = condition["status"] == "False"
    return is_false and reason in condition["reason"] and words in condition["message"]


def _conditions(item: Json) -> list[Any]:
    return list((item.get("status") or {}).get("conditions") or [])
