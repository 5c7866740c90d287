"""What whoever watches may have done to the API in memory, besides what the API itself offers.

Each order is a POST to /local/NAME with its arguments as JSON:

- `load`: make `count` objects of `template` under `path`, named w-00000 and so on.
- `tally`: how many objects of `plural` have a status of their present generation, and since when.
- `refuse`, `drop`, `freeze`, `expire`: see `tests.virtual.faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pydantic_core

from kaito.kube.transport import Call
from tests.virtual.api import Api
from tests.virtual.faults import Faults
from tests.virtual.wire import Json

Order = Mapping[str, Any]


class Tally:
    """Which objects have a status of their present generation; kept up from the API's history."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._read = 0
        self._settled: dict[str, dict[str, float]] = {}

    def of(self, plural: str) -> Json:
        """How many are settled, and when the last of them became so."""
        for event in self._api.history[self._read :]:
            held = self._settled.setdefault(event.kind.plural, {})
            metadata = event.new["metadata"]
            seen = (event.new.get("status") or {}).get("observedGeneration")
            if event.is_end or seen != metadata.get("generation"):
                held.pop(metadata["uid"], None)
            else:
                held.setdefault(metadata["uid"], event.at)
        self._read = len(self._api.history)
        found = self._settled.get(plural, {})
        return {"count": len(found), "at": max(found.values(), default=None)}


class Orders:
    """Carries out orders."""

    def __init__(self, api: Api, faults: Faults) -> None:
        self._api = api
        self._tally = Tally(api)
        self._known: Mapping[str, Callable[[Order], Json | None]] = {
            "load": self._load,
            "tally": lambda order: self._tally.of(order["plural"]),
            "refuse": lambda order: faults.refuse(order["code"], order["rate"]),
            "drop": lambda _: faults.drop(),
            "freeze": lambda _: faults.freeze(),
            "expire": lambda _: faults.expire(),
        }

    def carry_out(self, name: str, order: Order) -> Json:
        """Do it; what there is to say about it."""
        return self._known[name](order) or {}

    def _load(self, order: Order) -> None:
        template = order["template"]
        for number in range(order["count"]):
            metadata = {**template.get("metadata", {}), "name": f"w-{number:05d}"}
            body = pydantic_core.to_json({**template, "metadata": metadata})
            answer = self._api.answer(Call("POST", order["path"], {}, body))
            assert answer.code == 201, answer.body
