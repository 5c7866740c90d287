"""What a process knows of a claim that another one has tried to launch before it."""

from __future__ import annotations

import pytest

from provisioner.controllers.machine.kinds import KINDS, Claim, ClaimKind
from provisioner.controllers.machine.ledger import Ledger
from provisioner.failures import QuotaExceeded, SkuUnavailable
from tests.unit.provisioner import builders

UNSOLD = "SkuNotAvailable: the size is not sold here"
by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def told(kind: ClaimKind, reason: str, *, generation: int = 1) -> Claim:
    """A claim that says why there is no machine for it."""
    condition = {"type": f"{kind.prefix}Launched", "status": "False", "reason": reason}
    return builders.claim(
        kind,
        metadata={"generation": generation},
        status={"conditions": [{**condition, "message": UNSOLD}]},
    )


@by_kind
def test_that_a_type_is_not_sold_counts_whenever_it_is_heard(kind: ClaimKind) -> None:
    ledger = Ledger()

    before = ledger.entry(kind, builders.claim(kind), monotonic=1)
    after = ledger.entry(kind, told(kind, "SkuUnavailable"), monotonic=2)

    assert before.failure is None
    assert isinstance(after.failure, SkuUnavailable)


@by_kind
def test_it_counts_no_more_for_another_spec(kind: ClaimKind) -> None:
    ledger = Ledger()
    ledger.entry(kind, told(kind, "SkuUnavailable"), monotonic=1)

    for moment in (2, 3):
        later = ledger.entry(kind, told(kind, "SkuUnavailable", generation=2), monotonic=moment)

        assert later.failure is None


@by_kind
def test_what_this_process_did_counts_for_more_than_what_is_told(kind: ClaimKind) -> None:
    ledger = Ledger()
    ledger.entry(kind, builders.claim(kind), monotonic=1)
    ledger.launched(builders.UID, monotonic=2)

    assert ledger.entry(kind, told(kind, "SkuUnavailable"), monotonic=3).failure is None


@by_kind
def test_a_failure_that_passes_is_read_at_the_first_sight_only(kind: ClaimKind) -> None:
    late, early = Ledger(), Ledger()
    late.entry(kind, builders.claim(kind), monotonic=1)

    assert late.entry(kind, told(kind, "QuotaExceeded"), monotonic=2).failure is None
    found = early.entry(kind, told(kind, "QuotaExceeded"), monotonic=2).failure
    assert isinstance(found, QuotaExceeded)
