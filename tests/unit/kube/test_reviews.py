"""Who may read /metrics, and what stands before it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from kaito.kube import certs, health
from kaito.kube.certs import Certificate
from kaito.kube.client import Client
from kaito.kube.errors import Unavailable
from kaito.kube.reviews import Reviewer
from kaito.kube.transport import Call
from tests.unit.kube.builders import FakeClock

PROMETHEUS = "Bearer prometheus"
STRANGER = "Bearer stranger"
FORGED = "Bearer forged"
ACCOUNT = "system:serviceaccount:monitoring:prometheus"


@dataclass
class Reviews:
    """An API server that knows two tokens, and lets one of them in.

    Attributes:
        asked: bodies of the reviews, in order.
        away: it gives no answer.
    """

    asked: list[dict[str, object]] = field(default_factory=list)
    away: bool = False

    async def send(self, call: Call) -> bytes:
        """The review with its status."""
        if self.away:
            raise Unavailable(0, "NoAnswer", "away")
        body = json.loads(call.body or b"{}")
        self.asked.append(body)
        spec = body["spec"]
        if call.path.endswith("/tokenreviews"):
            known = {"prometheus": ACCOUNT, "stranger": "somebody"}.get(spec["token"])
            status = {"authenticated": bool(known), "user": {"username": known or ""}}
        else:
            status = {"allowed": spec["user"] == ACCOUNT}
        return json.dumps({**body, "status": status}).encode()

    def stream(
        self, call: Call, *, idle_seconds: float, total_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Nobody watches."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def api() -> Reviews:
    return Reviews()


@pytest.fixture
def client(api: Reviews, clock: FakeClock) -> Client:
    return Client(api, field_manager="tests", clock=clock)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (PROMETHEUS, HTTPStatus.OK),
        (STRANGER, HTTPStatus.FORBIDDEN),
        (FORGED, HTTPStatus.UNAUTHORIZED),
        ("", HTTPStatus.UNAUTHORIZED),
        ("Basic cHJvbWV0aGV1cw==", HTTPStatus.UNAUTHORIZED),
    ],
)
async def test_the_api_server_decides(client: Client, header: str, status: HTTPStatus) -> None:
    assert await Reviewer(client).verdict(header) is status


async def test_the_question_names_the_path_and_the_verb(client: Client, api: Reviews) -> None:
    await Reviewer(client).verdict(PROMETHEUS)

    assert [each["kind"] for each in api.asked] == ["TokenReview", "SubjectAccessReview"]
    assert api.asked[1]["spec"] == {
        "user": ACCOUNT,
        "uid": "",
        "groups": [],
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    }


async def test_a_verdict_is_kept_for_a_minute(
    client: Client, api: Reviews, clock: FakeClock
) -> None:
    reviewer = Reviewer(client)
    await reviewer.verdict(PROMETHEUS)

    clock.advance(59)
    await reviewer.verdict(PROMETHEUS)
    within = len(api.asked)
    clock.advance(2)
    await reviewer.verdict(PROMETHEUS)

    assert (within, len(api.asked)) == (2, 4)


async def test_scrapes_go_on_through_an_outage_but_nobody_new_comes_in(
    client: Client, api: Reviews, clock: FakeClock
) -> None:
    reviewer = Reviewer(client)
    await reviewer.verdict(PROMETHEUS)
    await reviewer.verdict(STRANGER)

    api.away = True
    clock.advance(300)
    told = [await reviewer.verdict(each) for each in (PROMETHEUS, STRANGER, FORGED)]
    clock.advance(301)

    assert told == [HTTPStatus.OK, *[HTTPStatus.SERVICE_UNAVAILABLE] * 2]
    assert await reviewer.verdict(PROMETHEUS) is HTTPStatus.SERVICE_UNAVAILABLE


async def scraped(port: int, header: str) -> tuple[int, str]:
    """What /metrics answers over TLS; the certificate is not looked at."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    url = f"https://127.0.0.1:{port}/metrics"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, ssl=trusting, headers={"Authorization": header}) as answer,
    ):
        return answer.status, await answer.text()


async def test_metrics_come_over_tls_to_those_who_may(client: Client) -> None:
    certificate = Certificate(None, name="kaito", clock=FakeClock())
    door = health.Door(certificate, Reviewer(client))

    async with health.served(
        host="127.0.0.1", ports=(0, 0), door=door, alive=tuple, ready=tuple, remarks=tuple
    ) as (_, port):
        status, text = await scraped(port, PROMETHEUS)
        refused = await scraped(port, STRANGER)

    assert status == 200
    assert "# TYPE workqueue_depth gauge" in text
    assert refused == (403, "Forbidden\n")


def written(folder: Path, name: str) -> None:
    """A certificate as a mounted Secret holds it."""
    pem = certs.made(name, FakeClock())
    cut = pem.index(b"-----BEGIN PRIVATE KEY")
    (folder / certs.CERTIFICATE).write_bytes(pem[:cut])
    (folder / certs.KEY).write_bytes(pem[cut:])


async def test_a_mounted_certificate_is_shown_and_read_again(
    client: Client, tmp_path: Path
) -> None:
    written(tmp_path, "first.example")
    certificate = Certificate(tmp_path, name="kaito", clock=FakeClock())
    door = health.Door(certificate, Reviewer(client))

    async with health.served(
        host="127.0.0.1", ports=(0, 0), door=door, alive=tuple, ready=tuple, remarks=tuple
    ) as (_, port):
        before = await shown(port)
        written(tmp_path, "second.example")
        await scraped(port, PROMETHEUS)
        after = await shown(port)

    assert b"first.example" in before
    assert b"second.example" in after


async def shown(port: int) -> bytes:
    """The certificate of a new connection, DER."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    try:
        return bytes(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    finally:
        writer.close()
        await writer.wait_closed()
