"""How many texts may be under way: vLLM's own queue has no end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import Counter

from front.paths import is_generating
from serving.errors import InvalidRequest, QueueFull

if TYPE_CHECKING:
    from serving.guard import Application, Receive, Scope, Send

TEXTS_SCOPE = "kaito.texts"
"""Key of a request's scope: how many texts it asks for, 1 where it is not there."""


class Places:
    """ASGI middleware: one place for each running text, and so many for those that wait."""

    def __init__(self, app: Application, *, waiting: int, rejected: Counter) -> None:
        """Give every place free.

        Args:
            app: vLLM's own server.
            waiting: places behind the running texts; vLLM says how many of those it has.
            rejected: counts refusals by `model_name` and `engine`.
        """
        self._app = app
        self._waiting = waiting
        self._rejected = rejected
        self._taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, which has a place for each of its texts until it is answered.

        Raises:
            InvalidRequest: there never are so many.
            QueueFull: too few are free.
        """
        if not is_generating(scope):
            await self._app(scope, receive, send)
            return
        config = scope["app"].state.vllm_config
        texts: int = scope.get(TEXTS_SCOPE, 1)
        most = running_most(config) + self._waiting
        if texts > most:
            raise InvalidRequest(f"prompts times n are {texts} texts; a request has {most} at most")
        if self._taken + texts > most:
            self.series(config).inc()
            raise QueueFull(f"{self._taken} of {most} texts are under way; try again in a moment")
        self._taken += texts
        try:
            await self._app(scope, receive, send)
        finally:
            self._taken -= texts

    def series(self, config: Any) -> Counter:
        """The count of refusals, with the labels that vLLM gives its own series."""
        return self._rejected.labels(model_name=config.model_config.served_model_name, engine="0")


def running_most(config: Any) -> int:
    """How many texts vLLM generates at once, told by its own configuration."""
    each: int = config.scheduler_config.max_num_seqs
    engines: int = config.parallel_config.data_parallel_size
    return each * engines
