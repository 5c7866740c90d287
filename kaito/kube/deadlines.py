"""The latest end of things that may all take equally long.

Those that begin first must end first, so that one timer serves all of them: with one for each, as
`asyncio.timeout` has it, setting and cancelling costs more than many of the things themselves.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadlines:
    """Ends of things on one event loop.

    Attributes:
        seconds: that each may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open: dict[Deadline, None] = {}
        self._alarm: asyncio.TimerHandle | None = None

    def begin(self) -> Deadline:
        """The end of something that begins now, in a `with` of the task that does it."""
        return Deadline(self)

    def enter(self, deadline: Deadline) -> None:
        """Watch over something more."""
        self._open[deadline] = None
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_at(deadline.at, self._ring)

    def leave(self, deadline: Deadline) -> None:
        """It has ended; the timer stays, which the next will want."""
        self._open.pop(deadline, None)

    def _ring(self) -> None:
        """End what has taken too long, and wait for what is next."""
        now = asyncio.get_running_loop().time()
        self._alarm = None
        while self._open:
            first = next(iter(self._open))
            if first.at > now:
                self._alarm = asyncio.get_running_loop().call_at(first.at, self._ring)
                return
            del self._open[first]
            first.expire()


class Deadline:
    """The end of one thing: it is cancelled there, and a TimeoutError says so.

    Attributes:
        at: when, on the loop's clock.
        is_over: whether it was reached.
    """

    __slots__ = ("_all", "_cancels", "_task", "at", "is_over")

    def __init__(self, all_of_them: Deadlines) -> None:
        self._all = all_of_them
        self._task: asyncio.Task[object] | None = None
        self._cancels = 0
        self.at = 0.0
        self.is_over = False

    def __enter__(self) -> Deadline:
        self._task = asyncio.current_task()
        if self._task is None:
            raise RuntimeError("a deadline holds for a task")
        self._cancels = self._task.cancelling()
        self.at = asyncio.get_running_loop().time() + self._all.seconds
        self._all.enter(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """End it.

        Raises:
            TimeoutError: it was cancelled by its deadline and by nobody else.
        """
        self._all.leave(self)
        if not (self.is_over and self._task):
            return
        is_ours = self._task.uncancel() <= self._cancels
        if is_ours and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def expire(self) -> None:
        """It is reached."""
        self.is_over = True
        if self._task:
            self._task.cancel()
