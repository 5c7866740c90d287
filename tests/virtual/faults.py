"""What goes wrong between the API in memory and those who come through its front door."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from tests.virtual.api import Api
from tests.virtual.watching import Watcher
from tests.virtual.wire import Refused

RETRY_AFTER_SECONDS = 1
_REASONS = {
    HTTPStatus.INTERNAL_SERVER_ERROR: "InternalError",
    HTTPStatus.TOO_MANY_REQUESTS: "TooManyRequests",
}


class Faults:
    """Nothing goes wrong before it is asked for.

    Attributes:
        headers: of an answer that refuses.
    """

    def __init__(self, api: Api) -> None:
        self.headers: Mapping[str, str] = {}
        self._api = api
        self._chance = random.Random(0)
        self._code = 0
        self._rate = 0.0
        self._open: dict[Watcher, asyncio.BaseTransport | None] = {}
        self._frozen: set[Watcher] = set()

    def refuse(self, code: int, rate: float) -> None:
        """From now on, refuse requests by chance: `rate` of all of them, with `code`."""
        self._code, self._rate = code, rate
        throttles = code == HTTPStatus.TOO_MANY_REQUESTS
        self.headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if throttles else {}

    def refusal(self) -> Refused | None:
        """What a request that comes now meets."""
        if self._rate and self._chance.random() < self._rate:
            return Refused(self._code, _REASONS[HTTPStatus(self._code)], "a fault")
        return None

    def drop(self) -> None:
        """Cut the connections of all watches."""
        for transport in self._open.values():
            if isinstance(transport, asyncio.Transport):
                transport.abort()

    def freeze(self) -> None:
        """Leave the connections of all watches open, and say nothing more there."""
        for watcher in self._open:
            self._api.unwatch(watcher)
            self._frozen.add(watcher)

    def expire(self) -> None:
        """Forget all versions, and tell the frozen watches that theirs is gone."""
        self._api.compact()
        for watcher in self._frozen:
            watcher.fail(Refused(410, "Expired", "too old resource version"))
        self._frozen.clear()

    @contextmanager
    def open(self, watcher: Watcher, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """Have a watch share in the faults as long as it is open."""
        self._open[watcher] = transport
        try:
            yield
        finally:
            del self._open[watcher]
            self._frozen.discard(watcher)
