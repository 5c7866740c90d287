"""How far the training is: as log lines, and as metrics over HTTP."""

from __future__ import annotations

import time
from threading import Event
from typing import Any

from prometheus_client import start_http_server
from transformers import TrainerCallback

from training import log
from training.metrics import Metrics


def serve(metrics: Metrics, host: str, port: int) -> None:
    """Answer GET /metrics; a port that is taken costs the metrics, not the training."""
    try:
        server, _ = start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        log.warning("metrics.failed", host=host, port=port, error=str(error))
    else:
        log.info("metrics.served", host=host, port=server.server_port)


class Progress(TrainerCallback):  # type: ignore[misc] # transformers has no types here
    """Tells of every logged step, asks for checkpoints in time, and stops when it is told to.

    Attributes:
        loss: of the last steps that were logged; None before the first.
        step: optimizer steps done.
    """

    def __init__(self, metrics: Metrics, *, checkpoint_seconds: float) -> None:
        self._metrics = metrics
        self._every_seconds = checkpoint_seconds
        self._saved_at = self._began_at = time.monotonic()
        self._first_step = 0
        self._interrupted = Event()
        self.loss: float | None = None
        self.step = 0

    def stop_when(self, interrupted: Event) -> None:
        """Save and stop at the end of the step in which this is set."""
        self._interrupted = interrupted

    def on_train_begin(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Begin to count; a run that is resumed does not count what it did not do."""
        self._saved_at = self._began_at = time.monotonic()
        self._first_step = self.step = state.global_step
        self._metrics.steps.set(state.max_steps)
        self._metrics.step.set(state.global_step)
        log.info("training.begun", step=state.global_step, total=state.max_steps)

    def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Count, and say what is to be done before the next step."""
        self.step = state.global_step
        self._metrics.step.set(state.global_step)
        self._metrics.epoch.set(state.epoch or 0)
        if time.monotonic() - self._saved_at >= self._every_seconds:
            control.should_save = True
        if self._interrupted.is_set():
            control.should_save = control.should_training_stop = True

    def on_log(self, _: Any, state: Any, control: Any, logs: Any = None, **__: Any) -> None:
        """Tell step, total, loss and the time that is left."""
        found = logs or {}
        if self.loss is None and "train_loss" in found:
            # The whole run was shorter than the distance between two log lines.
            self.loss = float(found["train_loss"])
        if "loss" not in found:
            return
        self.loss = float(found["loss"])
        left = self._left_seconds(state)
        self._metrics.loss.set(self.loss)
        self._metrics.left_seconds.set(left)
        log.info(
            "training.progressed",
            step=state.global_step,
            total=state.max_steps,
            loss=round(self.loss, 4),
            epoch=round(state.epoch or 0, 3),
            eta_seconds=round(left),
        )

    def on_save(self, _: Any, state: Any, control: Any, **__: Any) -> None:
        """Begin to wait for the next checkpoint."""
        self._saved_at = time.monotonic()
        self._metrics.checkpoint_step.set(state.global_step)

    def _left_seconds(self, state: Any) -> float:
        """The time to the end, if all steps take as long as those of this run so far."""
        done = state.global_step - self._first_step
        if done <= 0:
            return 0.0
        pace = (time.monotonic() - self._began_at) / done
        return float(pace * (state.max_steps - state.global_step))
