"""How many requests ARM takes: token buckets that a scenario fills and empties.

    {"limits": [{"operation": "PUT", "perPool": true, "perSecond": 0.0167, "burst": 20},
                {"operation": "GET|LIST|DELETE|ABORT", "perSecond": 1, "burst": 60},
                {"operation": "POLL", "perSecond": 2, "burst": 200}]}

is what is known of the limits of AKS. A request must find a token in the bucket of every limit
that concerns it; it takes none where it is refused. Buckets are full when the server starts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from pydantic import Field

from hack.cluster.arm.calls import BY_DEFAULT, Attempt, Expression, Input


class Limit(Input):
    """One bucket, or one for each pool."""

    operation: Expression = "|".join(sorted(BY_DEFAULT))
    """Which requests take a token: PUT, GET, LIST, DELETE, ABORT, POLL, SKUS, USAGES, SIGN_IN."""
    per_second: float = Field(gt=0)
    """Tokens that come back each second."""
    burst: int = Field(default=1, ge=1)
    """Tokens in a full bucket."""
    per_pool: bool = False
    """Each pool has a bucket of its own; else all share one."""


class Rate:
    """How full the buckets are."""

    def __init__(self) -> None:
        self._full_at: dict[tuple[Limit, str], float] = {}

    def take(self, limits: Sequence[Limit], attempt: Attempt, *, now: float) -> int | None:
        """Take a token of each bucket that the request concerns.

        Returns:
            None, or after how many whole seconds to come back when one of them is empty.
        """
        concerned = [each for each in limits if re.fullmatch(each.operation, attempt.call)]
        keys = [(each, attempt.pool if each.per_pool else "") for each in concerned]
        missing = max((self._missing_seconds(key, now) for key in keys), default=0.0)
        if missing > 0:
            return math.ceil(missing)
        self._spend(keys, now)
        return None

    def _missing_seconds(self, key: tuple[Limit, str], now: float) -> float:
        """Until there is a token; 0 or less when there is one."""
        limit, _ = key
        filling = max(0.0, self._full_at.get(key, now) - now)
        return round(filling - (limit.burst - 1) / limit.per_second, 6)

    def _spend(self, keys: Iterable[tuple[Limit, str]], now: float) -> None:
        for key in keys:
            self._full_at[key] = max(self._full_at.get(key, now), now) + 1 / key[0].per_second
