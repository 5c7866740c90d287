"""A bucket lets a burst through, then one request for each token that comes back."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hack.cluster.arm.calls import Attempt, Call
from hack.cluster.arm.rate import Limit, Rate

LIST = Attempt(Call.LIST)


def put(pool: str) -> Attempt:
    return Attempt(Call.PUT, pool)


def test_a_full_bucket_lets_its_burst_through_and_then_says_when_to_come_back() -> None:
    rate, limits = Rate(), (Limit(per_second=0.5, burst=3),)

    assert [rate.take(limits, LIST, now=100) for _ in range(4)] == [None, None, None, 2]
    assert rate.take(limits, LIST, now=101) == 1
    assert rate.take(limits, LIST, now=102) is None
    assert rate.take(limits, LIST, now=102) == 2


def test_a_refused_request_takes_no_token() -> None:
    rate, limits = Rate(), (Limit(per_second=1),)
    rate.take(limits, LIST, now=0)

    assert [rate.take(limits, LIST, now=0.5) for _ in range(9)] == [1] * 9
    assert rate.take(limits, LIST, now=1) is None


def test_each_pool_may_have_a_bucket_of_its_own() -> None:
    rate, limits = Rate(), (Limit(per_second=1, per_pool=True),)

    assert rate.take(limits, put("a"), now=0) is None
    assert rate.take(limits, put("b"), now=0) is None
    assert rate.take(limits, put("a"), now=0) == 1


def test_the_emptiest_bucket_of_several_decides() -> None:
    rate = Rate()
    limits = (Limit(per_second=1, burst=9), Limit(operation="PUT", per_second=0.1))

    assert rate.take(limits, put("a"), now=0) is None
    assert rate.take(limits, put("b"), now=0) == 10
    assert [rate.take(limits, LIST, now=0) for _ in range(9)] == [None] * 8 + [1]


@pytest.mark.parametrize("call", [Call.POLL, Call.SIGN_IN, Call.SKUS])
def test_what_a_limit_does_not_name_is_not_counted(call: Call) -> None:
    rate, limits = Rate(), (Limit(per_second=1),)

    assert [rate.take(limits, Attempt(call), now=0) for _ in range(5)] == [None] * 5


def test_a_bucket_without_tokens_is_refused() -> None:
    with pytest.raises(ValidationError):
        Limit(per_second=1, burst=0)
