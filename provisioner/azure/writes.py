"""A write leaves once.

aiohttp sends a PUT or DELETE a second time by itself when the connection ends before its answer,
and has no switch for that (https://github.com/aio-libs/aiohttp/issues/10790). Whether there is
another try, and when, is the planner's business. Reads may be repeated.
"""

from __future__ import annotations

import aiohttp

WRITES = frozenset({"PUT", "DELETE"})


async def once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request, as a middleware of a session; tell aiohttp of a broken write in other words.

    Raises:
        aiohttp.ClientConnectionError: the connection of a write ended before its answer.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method not in WRITES or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise aiohttp.ClientConnectionError(str(error) or type(error).__name__) from error
