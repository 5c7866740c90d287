"""What the user does, and what nodes are asked for by: what every plan is about."""

from __future__ import annotations

from dataclasses import dataclass

from tests.virtual.process import Manner
from tests.virtual.workloads import RULES, SILENT, Workload

NEXT = "~"


@dataclass(frozen=True, slots=True)
class Case:
    """A workload.

    Attributes:
        workload: what the user does.
        is_next: whether nodes are asked for by NodeClaims.
    """

    workload: Workload
    is_next: bool = False

    @property
    def name(self) -> str:
        """As plans have it."""
        return f"{self.workload.name}{NEXT if self.is_next else ''}"

    @property
    def manner(self) -> Manner:
        """Of all processes."""
        return Manner(claim_kind="NodeClaim" if self.is_next else "Machine")


CASES = tuple(Case(workload) for workload in Workload)
"""All of them, with Machines."""
NEXT_CASES = (Case(Workload.DELETE, is_next=True), Case(Workload.AGAIN, is_next=True))
"""Those that are played with NodeClaims, too: all that a user does is in them."""
_PARTS = frozenset({Workload.NODELESS, Workload.FALLBACK, Workload.PAIR, Workload.GROUP_ROBBED})
POINT_CASES = tuple(each for each in CASES if each.workload not in _PARTS)
"""Those whose every point is played; the others' points are among them, or repeat themselves."""
OPEN_CASES = tuple(each for each in CASES if each.workload not in {*RULES, *SILENT})
"""Those where anything may go wrong in the cloud."""


def named(name: str) -> Case:
    """The one of that name.

    Raises:
        KeyError: there is no such workload.
    """
    return Case(Workload[name.removesuffix(NEXT)], name.endswith(NEXT))
