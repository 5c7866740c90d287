"""What the kubelet learns at the ARM server's local door."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from hack.cluster.kubelet.instances import Answer, follow
from hack.cluster.layout import Layout
from hack.cluster.pki import create_pki
from tests.unit.cluster.kubelet.builders import an_instance
from tests.unit.cluster.layouts import PORTS, a_layout


class Door:
    """Answers from a list, and then waits; keeps the revisions that it was asked with."""

    def __init__(self, *revisions: int | None) -> None:
        self.left = list(revisions)
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The next revision with one pool; None stands for a server that is not well."""
        self.asked.append(request.query["since"])
        revision = self.left.pop(0)
        if revision is None:
            return web.Response(status=503)
        pool = an_instance().model_dump(by_alias=True)
        return web.json_response({"revision": revision, "instances": [pool]})


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    ports = PORTS.model_copy(update={"arm": unused_port()})
    layout = a_layout(home=tmp_path).model_copy(update={"ports": ports})
    create_pki(layout)
    return layout


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def told(layout: Layout, http: aiohttp.ClientSession, door: Door, count: int) -> list[Answer]:
    """The first answers that are told while that door is open."""
    app = web.Application()
    app.router.add_get("/local/instances", door.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(layout.certificate("arm"), layout.key("arm"))
    await web.TCPSite(runner, "127.0.0.1", layout.ports.arm, ssl_context=context).start()
    answers: list[Answer] = []
    async with aclosing(follow(layout, http)) as following:
        async for answer in following:
            answers.append(answer)
            if len(answers) == count:
                break
    await runner.cleanup()
    return answers


async def test_each_revision_is_told_once(layout: Layout, http: aiohttp.ClientSession) -> None:
    door = Door(4, 4, 7)

    answers = await told(layout, http, door, 2)

    assert [answer.revision for answer in answers] == [4, 7]
    assert door.asked == ["-1", "4", "4"]
    assert answers[0].instances == (an_instance(),)


async def test_everything_is_told_again_after_the_server_was_away(
    layout: Layout, http: aiohttp.ClientSession
) -> None:
    door = Door(4, None, 4)

    answers = await told(layout, http, door, 2)

    assert [answer.revision for answer in answers] == [4, 4]
    assert door.asked == ["-1", "4", "-1"]
