"""Every fault of the link, of a proxy and of the server: nothing is lost, nothing doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kaito.kube.client import Client
from kaito.kube.errors import Conflict, KubeError, Throttled, Unavailable
from tests.engine.maps import CONFIG_MAPS, Maps, following
from tests.engine.proxy import Fault, Proxy, is_method, is_watch, refused, says, unanswered

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

STATUS = '{{"kind":"Status","status":"Failure","reason":"{}","code":{}}}'

BREAKS: dict[str, Callable[[Proxy], None]] = {
    "dropped": Proxy.drop,
    "frozen": Proxy.freeze,
    "cut in the middle of a line": Proxy.cut,
}

REFUSALS: dict[str, Fault] = {
    "html 502": says(502, "<html>\n<body>bad gateway</body>\n</html>\n"),
    "html 200": says(200, "<html>\n<body>please log in</body>\n</html>\n"),
    "429": says(429, STATUS.format("TooManyRequests", 429)),
    "429 with a wish": says(429, STATUS.format("TooManyRequests", 429), **{"Retry-After": "1"}),
    "500": says(500, STATUS.format("InternalError", 500)),
    "503": says(503, ""),
    "reset": refused,
    "half open": unanswered,
    "empty": says(200, ""),
}


@pytest.mark.parametrize("break_it", BREAKS.values(), ids=BREAKS)
async def test_r12_a_watch_that_breaks_loses_nothing(
    link: Proxy, client: Client, maps: Maps, break_it: Callable[[Proxy], None]
) -> None:
    for name in ("kept", "gone"):
        await maps.create(name)

    async with following(client, maps, idle_seconds=1) as seen:
        await link.until_streaming()
        break_it(link)
        await maps.change("kept", "2")
        await maps.delete("gone")
        await maps.create("new")
        await seen.until(await maps.state())
        told = seen.told

    assert told == {"kept": "2", "new": "1"}


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS)
async def test_r10_watches_that_are_refused_are_opened_again(
    link: Proxy, client: Client, maps: Maps, fault: Fault
) -> None:
    await maps.create("a")

    async with following(client, maps, idle_seconds=1) as seen:
        await link.until_streaming()
        link.next(fault, is_watch, times=2)
        link.drop()
        await maps.change("a", "2")
        await seen.until(await maps.state())

    assert seen.told == {"a": "2"}
    assert len(link.seen) < 20


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS)
async def test_r14_a_first_list_that_is_refused_is_asked_for_again(
    link: Proxy, client: Client, maps: Maps, fault: Fault
) -> None:
    await maps.create("a")
    link.next(fault, is_method("GET"), times=1)

    async with following(client, maps, idle_seconds=1) as seen:
        await seen.until(await maps.state())

    assert seen.told == {"a": "1"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (says(409, STATUS.format("Conflict", 409)), Conflict),
        (says(429, STATUS.format("TooManyRequests", 429)), Throttled),
        (says(500, STATUS.format("InternalError", 500)), Unavailable),
        (says(502, "<html></html>"), Unavailable),
        (refused, Unavailable),
    ],
    ids=["409", "429", "500", "html", "reset"],
)
async def test_t2_a_write_that_fails_says_how(
    link: Proxy, client: Client, maps: Maps, fault: Fault, error: type[KubeError]
) -> None:
    link.next(fault, is_method("POST"))

    with pytest.raises(error):
        await client.create(CONFIG_MAPS, maps.wire("a", "1"))

    assert await maps.state() == {}


async def test_t2_a_wait_that_the_server_asks_for_is_kept(
    link: Proxy, client: Client, maps: Maps
) -> None:
    busy = says(429, STATUS.format("TooManyRequests", 429), **{"Retry-After": "1"})
    link.next(busy, is_method("POST"), times=2)

    began = asyncio.get_running_loop().time()
    await client.create(CONFIG_MAPS, maps.wire("a", "1"))
    took = asyncio.get_running_loop().time() - began

    assert took >= 2
    assert list((await maps.state()).values()) == ["1"]
