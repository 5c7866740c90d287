"""A write leaves once: whether it is tried again is decided by whoever knows what it means.

aiohttp repeats a PUT or a DELETE by itself when a connection that was kept open ends before the
answer, and has no switch for that (https://github.com/aio-libs/aiohttp/issues/10790). The first
one may have been carried out, and then the second is refused, or finds nothing to delete: an
answer that tells the caller something else than what happened.
"""

from __future__ import annotations

import aiohttp

_READS = frozenset({"GET", "HEAD"})


class Unanswered(aiohttp.ClientConnectionError):
    """The connection of a write ended before its answer; aiohttp does not try this one again."""


async def once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request, as a middleware of a session.

    Raises:
        Unanswered: it is a write, and its connection ended.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method in _READS or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise Unanswered(str(error) or type(error).__name__) from error
