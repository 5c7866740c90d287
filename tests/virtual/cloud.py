"""The cloud in the same process: the local ARM server's front door, asked without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from hack.cluster import layout
from hack.cluster.arm import tokens
from hack.cluster.arm.addresses import pools_path
from hack.cluster.arm.exchange import Answer, Request
from hack.cluster.arm.frontdoor import FrontDoor
from hack.cluster.arm.settings import Settings
from provisioner.azure import agentpool, errors
from provisioner.cloud import Instance, InstanceSpec
from provisioner.failures import CloudUnavailable
from tests.virtual.door import Weather

PROVISION_SECONDS = 90.0
DELETE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Deed:
    """One change that the cloud agreed to.

    Attributes:
        verb: "launch" or "terminate".
        pool: its name.
        owner: uid of the claim in the pool's tags.
        at: seconds of the server's clock.
        state: of the pool before.
    """

    verb: str
    pool: str
    owner: str
    at: float
    state: str


class Arm:
    """The cloud itself, which outlives every process that calls it.

    Attributes:
        deeds: all changes, in order.
        on_deed: called with each at its moment.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        key = folder / "issuer.pub"
        key.write_text("never asked for: nobody signs in")
        self._door = FrontDoor(
            Settings(
                home=folder,
                certificate=folder,
                key=folder,
                issuer_key=key,
                provision_seconds=PROVISION_SECONDS,
                delete_seconds=DELETE_SECONDS,
                page_size=1000,
            ),
            clock=clock,
        )
        self._clock = clock
        claims = {"aud": tokens.AUDIENCE, "appid": layout.CLIENT_ID, "exp": 2**40}
        secret = tokens.secret(folder / "arm" / "token.key")
        self._token = jwt.encode(claims, secret, algorithm="HS256")
        self._listed: tuple[int, list[dict[str, Any]]] = (-1, [])
        self.deeds: list[Deed] = []
        self.on_deed: Callable[[Deed], None] = lambda _deed: None

    def ask(self, method: str, pool: str = "", body: object = None) -> Answer:
        """One request, and its answer."""
        before = self.pool(pool) if method in ("PUT", "DELETE") else None
        answer = self._door.answer(self._request(method, pool, body))
        if method in ("PUT", "DELETE") and answer.status in (200, 201, 202):
            found = before or self.pool(pool) or {}
            properties = found.get("properties", {})
            owner = properties.get("tags", {}).get(agentpool.TAG_UID, "")
            verb = "launch" if method == "PUT" else "terminate"
            state = properties.get("provisioningState", "") if before else ""
            deed = Deed(verb, pool, owner, self._clock(), state)
            self.deeds.append(deed)
            self.on_deed(deed)
        return answer

    def pools(self) -> list[dict[str, Any]]:
        """All pools but the system's, as GET tells them."""
        revision = self.revision()
        if self._listed[0] != revision:
            body: Any = self._door.answer(self._request("GET", "", None)).body
            pools = [pool for pool in body["value"] if pool["name"] != "system"]
            self._listed = (revision, pools)
        return self._listed[1]

    def revision(self) -> int:
        """Grows with every change of a pool."""
        return self._door.revision()

    def pool(self, name: str) -> dict[str, Any] | None:
        """One pool."""
        return next((pool for pool in self.pools() if pool["name"] == name), None)

    def close(self) -> None:
        """Close its files."""
        self._door.close()

    def _request(self, method: str, pool: str, body: object) -> Request:
        return Request(
            method=method,
            path=f"{pools_path()}/{pool}".rstrip("/"),
            query={"api-version": "2025-01-01"},
            headers={"authorization": f"Bearer {self._token}", "if-none-match": "*"}
            if method == "PUT"
            else {"authorization": f"Bearer {self._token}"},
            body=json.dumps(body).encode() if body is not None else b"",
        )


class LocalCloud:
    """A `provisioner.cloud.Cloud` on that front door."""

    def __init__(self, arm: Arm, weather: Weather) -> None:
        self._arm = arm
        self._weather = weather

    async def launch(self, spec: InstanceSpec) -> None:
        """Begin to create a pool."""
        _check(await self._call("PUT", spec.name, agentpool.body(spec)))

    async def terminate(self, name: str) -> None:
        """Begin to delete a pool."""
        answer = await self._call("DELETE", name)
        if not errors.is_pool_gone(answer.status, _told(answer)):
            _check(answer)

    async def instances(self) -> tuple[Instance, ...]:
        """All pools."""
        answer = await self._call("GET", "")
        _check(answer)
        body: Any = answer.body
        return tuple(agentpool.instance(pool) for pool in body["value"])

    async def close(self) -> None:
        """Nothing is open."""

    async def _call(self, method: str, pool: str, body: object = None) -> Answer:
        what = f"{method} pool/{pool}"
        try:
            await self._weather.before(what)
            answer = self._arm.ask(method, pool, body)
            await self._weather.after(what)
        except ConnectionError as error:
            raise CloudUnavailable("Broken", "the connection broke") from error
        return answer


def _check(answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        after = answer.headers.get("Retry-After", "")
        raise errors.classified(_told(answer), status=answer.status, retry_after=after)


def _told(answer: Answer) -> errors.ArmError:
    return errors.decoded(json.dumps(answer.body or {}))
