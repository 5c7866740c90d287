"""Has each checkpoint of a training marked as whole, and kept elsewhere too.

It is apart from what only looks at checkpoints: its base class takes the libraries with it, which
take seconds to import, and a push that is tried again needs none of them.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from training import log
from training.checkpoints import MARK, PREFIX, step_of

Keep = Callable[[Path], None]
"""Puts a copy of a checkpoint elsewhere; raises OSError where that does not work."""


class Keeper(TrainerCallback):  # type: ignore[misc] # transformers has no types here
    """Marks each checkpoint as whole, and has it copied elsewhere while the training goes on."""

    def __init__(self, folder: Path, run_id: str, keep: Keep | None) -> None:
        self._folder = folder
        self._run_id = run_id
        self._keep = keep
        self._waiting: queue.Queue[Path | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)
        if keep:
            self._thread.start()

    def on_save(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Mark the checkpoint that has just been written."""
        path = self._folder / f"{PREFIX}{state.global_step}"
        (path / MARK).write_text(self._run_id, encoding="utf-8")
        log.info("checkpoint.saved", step=state.global_step)
        if self._keep:
            self._waiting.put(path)

    def finish(self, *, wait_seconds: float) -> None:
        """Wait until the last checkpoint is kept elsewhere, or the time is over."""
        if self._keep and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(wait_seconds)

    def _work(self) -> None:
        """Keep the newest one that waits, until told to end."""
        ends = False
        while not ends:
            waiting = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    waiting.append(self._waiting.get_nowait())
            ends = None in waiting
            paths = [path for path in waiting if path is not None and path.exists()]
            if paths and self._keep:
                self._keep_one(self._keep, paths[-1])

    def _keep_one(self, keep: Keep, path: Path) -> None:
        """Keep one; what fails is tried again with the next."""
        try:
            keep(path)
        except OSError as error:
            log.warning("checkpoint.lost", step=step_of(path), error=str(error))
        else:
            log.info("checkpoint.kept", step=step_of(path))
