"""What Prometheus reads of one training run."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector


class Metrics:
    """The series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.step = self._gauge("kaito_tuning_step", "Optimizer steps done.")
        self.steps = self._gauge("kaito_tuning_steps", "Optimizer steps that there will be.")
        self.epoch = self._gauge("kaito_tuning_epoch", "Passes over the data, a fraction counts.")
        self.loss = self._gauge("kaito_tuning_loss", "Loss of the last steps that were logged.")
        self.left_seconds = self._gauge(
            "kaito_tuning_remaining_seconds", "Time to the end at the present pace."
        )
        self.checkpoint_step = self._gauge(
            "kaito_tuning_checkpoint_step", "Step of the last checkpoint that was written."
        )

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, registry=self.registry)
