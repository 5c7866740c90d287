"""The training itself: TRL's SFTTrainer on a PEFT model, resumed where a run was interrupted."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from pathlib import Path
from threading import Event
from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback
from trl import SFTConfig, SFTTrainer

from training import checkpoints, examples, log, model
from training.config import TrainingConfig
from training.failure import Failure, Kind
from training.keeper import Keep, Keeper
from training.metrics import Metrics
from training.progress import Progress
from training.result import ADAPTER, Trained
from training.settings import Settings
from training.weights import Weights

LIMIT_CHECKPOINTS = 2
DRAIN_SECONDS = 60.0
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "README.md")


class Training:
    """One run.

    Attributes:
        is_under_way: whether steps are taken, so that it stops by itself when it is interrupted.
    """

    def __init__(
        self,
        settings: Settings,
        config: TrainingConfig,
        *,
        metrics: Metrics,
        keep: Keep | None,
    ) -> None:
        """Prepare; nothing is loaded yet.

        Args:
            settings: what the operator says.
            config: what the user says.
            metrics: where progress is told.
            keep: copies a checkpoint elsewhere, None where there is no such place.
        """
        self._settings = settings
        self._config = config
        self._keeper = Keeper(settings.work_folder, settings.run_id, keep)
        self._progress = Progress(metrics, checkpoint_seconds=settings.checkpoint_seconds)
        self.is_under_way = False

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self._progress.step

    def run(self, interrupted: Event) -> Trained:
        """Teach the base model and write the adapter.

        Args:
            interrupted: set when the process is to end; a checkpoint is written first.

        Raises:
            Failure: it cannot be done, or was interrupted.
        """
        settings, work = self._settings, self._settings.work_folder
        if settings.threads:
            torch.set_num_threads(settings.threads)
        checkpoints.clear(work, settings.run_id)
        trainer = self._prepared(interrupted)
        last = checkpoints.last(work, settings.run_id)
        if last:
            log.info("training.resumed", step=checkpoints.step_of(last))
        self.is_under_way = True
        try:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        finally:
            self._keeper.finish(wait_seconds=DRAIN_SECONDS)
            self.is_under_way = False
        if interrupted.is_set() and self.step < trainer.state.max_steps:
            raise Failure(
                Kind.INTERRUPTED,
                f"told to stop after step {self.step} of {trainer.state.max_steps}: the next start"
                " goes on from there",
                lasting=False,
            )
        return _written(settings, trainer, self._progress)

    def _prepared(self, interrupted: Event) -> Any:
        """A trainer with model, data and our callbacks."""
        base = model.load(self._settings.base_model, self._config)
        data = examples.read(
            self._settings.data_folder,
            Path(tempfile.gettempdir()) / "examples",
            self._config.dataset,
            chats=base.chats,
        )
        trainer = _trainer(self._settings, self._config, base, data)
        self._progress.stop_when(interrupted)
        # A checkpoint is looked at before it is marked as whole.
        for callback in (self._progress, Weights(), self._keeper):
            trainer.add_callback(callback)
        return trainer


def _trainer(
    settings: Settings, config: TrainingConfig, base: model.Base, data: examples.Examples
) -> Any:
    """TRL's trainer, without the parts that print."""
    try:
        trainer = SFTTrainer(
            model=base.model,
            args=_arguments(settings, config, base),
            train_dataset=data.train,
            eval_dataset=data.test,
            processing_class=base.tokenizer,
            peft_config=model.lora(config),
        )
    except (TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:500]
        raise Failure(Kind.CONFIG, f"the libraries refuse these parameters: {said}") from error
    for callback in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(callback)
    if base.dtype is not torch.bfloat16:
        # TRL keeps QLoRA's matrices in bfloat16, which float16's gradient scaler cannot take.
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    counts = trainer.model.get_nb_trainable_parameters()
    log.info("adapter.prepared", trained_parameters=counts[0], all_parameters=counts[1])
    return trainer


def _arguments(settings: Settings, config: TrainingConfig, base: model.Base) -> SFTConfig:
    """The user's arguments over ours."""
    is_gpu = torch.cuda.is_available()
    ours: dict[str, Any] = {
        "bf16": is_gpu and base.dtype is torch.bfloat16,
        "fp16": is_gpu and base.dtype is torch.float16,
        "use_cpu": not is_gpu,
        "save_total_limit": LIMIT_CHECKPOINTS,
        "dataloader_pin_memory": is_gpu,
        "gradient_checkpointing": is_gpu,
    }
    if config.collator.pad_to_multiple_of:
        ours["pad_to_multiple_of"] = config.collator.pad_to_multiple_of
    theirs = {key: value for key, value in config.training.items() if key != "output_dir"}
    owned = {"output_dir": str(settings.work_folder), "report_to": [], "disable_tqdm": True}
    try:
        return SFTConfig(**{**ours, **theirs, **owned})
    except (TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:500]
        raise Failure(Kind.CONFIG, f"TrainingArguments: {said}") from error
    finally:
        # The arguments set the level of the libraries' logs.
        logging.getLogger("transformers").setLevel(logging.WARNING)


def _written(settings: Settings, trainer: Any, progress: Progress) -> Trained:
    """Write the adapter, and then the note that says that it is whole."""
    work = settings.work_folder
    made, folder = work / f".{ADAPTER}", work / ADAPTER
    for left in (made, folder):
        shutil.rmtree(left, ignore_errors=True)
    trainer.model.save_pretrained(made)
    for file in made.iterdir():
        if file.name in ADAPTER_FILES:
            file.chmod(0o644)
        else:
            file.unlink()
    _name_base(made / "adapter_config.json", settings)
    made.rename(folder)
    loss = round(progress.loss, 4) if progress.loss is not None else None
    found = Trained(folder, trainer.state.global_step, loss)
    found.write(work, settings.run_id)
    log.info("training.finished", steps=found.steps, loss=found.loss)
    return found


def _name_base(file: Path, settings: Settings) -> None:
    """Name the base model as others know it: the folder in this container tells nobody anything."""
    found = json.loads(file.read_text(encoding="utf-8"))
    found["base_model_name_or_path"] = settings.base_model_name or settings.base_model
    file.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
