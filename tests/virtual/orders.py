"""What whoever watches may have done to the API in memory, besides what the API itself offers.

Each order is a POST to /local/NAME with its arguments as JSON:

- `load`: make `count` objects of `template` under `path`, named w-00000 and so on.
- `tally`: how many objects of `plural` have a status of their present generation, and since when.
- `reactions`: how long each of them took since this was last asked.
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
        self._changed: dict[str, tuple[int, float]] = {}
        self._reactions: dict[str, list[float]] = {}

    def of(self, plural: str) -> Json:
        """How many are settled, and when the last of them became so."""
        self._catch_up()
        found = self._settled.get(plural, {})
        return {"count": len(found), "at": max(found.values(), default=None)}

    def reactions(self, plural: str) -> Json:
        """Seconds from a new generation to its status, of all that came since this was asked."""
        self._catch_up()
        return {"seconds": self._reactions.pop(plural, [])}

    def _catch_up(self) -> None:
        for event in self._api.history[self._read :]:
            held = self._settled.setdefault(event.kind.plural, {})
            metadata = event.new["metadata"]
            seen = (event.new.get("status") or {}).get("observedGeneration")
            uid, generation = metadata["uid"], metadata.get("generation", 0)
            if self._changed.get(uid, (0, 0.0))[0] != generation:
                self._changed[uid] = (generation, event.at)
            if event.is_end or seen != metadata.get("generation"):
                held.pop(uid, None)
            elif generation and uid not in held:
                held[uid] = event.at
                reactions = self._reactions.setdefault(event.kind.plural, [])
                reactions.append(event.at - self._changed[uid][1])
        self._read = len(self._api.history)


class Orders:
    """Carries out orders."""

    def __init__(self, api: Api, faults: Faults) -> None:
        self._api = api
        self._tally = Tally(api)
        self._known: Mapping[str, Callable[[Order], Json | None]] = {
            "load": self._load,
            "tally": lambda order: self._tally.of(order["plural"]),
            "reactions": lambda order: self._tally.reactions(order["plural"]),
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
