"""Whether what is trained is still made of numbers: an adapter that is not is worth nothing.

It is looked at where the loss is told, since the libraries tell the last good one in place of one
that is not a number.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback

from training.failure import Failure, Kind


class Weights(TrainerCallback):  # type: ignore[misc] # transformers has no types here
    """Ends a training whose weights have left the numbers, before a checkpoint of them counts."""

    def on_log(self, _: Any, state: Any, control: Any, model: Any = None, **__: Any) -> None:
        """Look at them.

        Raises:
            Failure: some are infinite, or no numbers.
        """
        self._look(state, model)

    def on_save(self, _: Any, state: Any, control: Any, model: Any = None, **__: Any) -> None:
        """Look at them.

        Raises:
            Failure: some are infinite, or no numbers.
        """
        self._look(state, model)

    def _look(self, state: Any, model: Any) -> None:
        trained = (each for each in model.parameters() if each.requires_grad)
        if all(bool(torch.isfinite(each).all()) for each in trained):
            return
        raise Failure(
            Kind.TRAINING,
            f"tuning.config: after step {state.global_step} of {state.max_steps} the adapter's"
            " weights are no longer numbers: set TrainingArguments.learning_rate lower, or look in"
            " the data set for examples that no model can learn",
        )
