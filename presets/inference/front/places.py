"""How many requests may be under way: vLLM's own queue has no end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import Counter

from serving.errors import QueueFull

if TYPE_CHECKING:
    from serving.guard import Application, Receive, Scope, Send

GENERATING = "/v1/"
"""Below it each POST is a text to be generated."""


class Places:
    """ASGI middleware: one place for each running request, and so many for those that wait."""

    def __init__(self, app: Application, *, waiting: int, rejected: Counter) -> None:
        """Give every place free.

        Args:
            app: vLLM's own server.
            waiting: places behind the running requests; vLLM says how many of those it has.
            rejected: counts refusals by `model_name` and `engine`.
        """
        self._app = app
        self._waiting = waiting
        self._rejected = rejected
        self._taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, which has its place until its answer has ended.

        Raises:
            QueueFull: there is none.
        """
        if not is_generating(scope):
            await self._app(scope, receive, send)
            return
        config = scope["app"].state.vllm_config
        if self._taken >= running_most(config) + self._waiting:
            self.series(config).inc()
            raise QueueFull(f"{self._waiting} requests wait already; try again in a moment")
        self._taken += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._taken -= 1

    def series(self, config: Any) -> Counter:
        """The count of refusals, with the labels that vLLM gives its own series."""
        return self._rejected.labels(model_name=config.model_config.served_model_name, engine="0")


def is_generating(scope: Scope) -> bool:
    """Whether a request has a text generated."""
    asks: bool = scope["type"] == "http" and scope["method"] == "POST"
    path: str = scope.get("path", "")
    return asks and path.startswith(GENERATING)


def running_most(config: Any) -> int:
    """How many requests vLLM generates at once, told by its own configuration."""
    each: int = config.scheduler_config.max_num_seqs
    engines: int = config.parallel_config.data_parallel_size
    return each * engines
