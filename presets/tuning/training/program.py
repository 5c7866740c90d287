"""The process: check the parameters, have the data, train, hand the adapter on, leave a note."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from oci.address import shown
from oci.hub import Hub
from oci.refusals import Refused
from oci.trust import trusted

from training import config, log, note
from training.config import TrainingConfig
from training.download import fetch
from training.failure import Failure, Kind
from training.files import data_files, grouped
from training.output import Output
from training.result import Trained, finished
from training.settings import Settings, settings

if TYPE_CHECKING:
    from training.run import Training

OK = 0
FAILED = 1
INTERRUPTED = 143
"""128 + SIGTERM."""


def main(argv: Sequence[str], environ: MutableMapping[str, str]) -> int:
    """Tune until done.

    Returns:
        0 when the adapter is where it belongs, 1 when it is not, 2 for wrong settings, 143 when
        told to stop.
    """
    chosen = settings(argv, environ)
    log.configure(chosen.log_level)
    shown = chosen.model_dump(mode="json", exclude={"urls"})
    log.info("settings.loaded", **shown, url_count=len(chosen.addresses))
    hub = Hub.of(environ)
    with trusted(chosen.ca_bundle) as trust:
        environ.update(_environment(chosen, trust))
        run = Run(chosen, trust, hub)
        try:
            text = note.success(run.result())
            code = OK
        except Failure as found:
            log.error(
                "tuning.failed", reason=found.kind, error=found.message, lasting=found.lasting
            )
            text = note.failure(found, step=run.step)
            code = INTERRUPTED if found.kind is Kind.INTERRUPTED else FAILED
    note.leave(text, chosen.termination_log)
    return finish(code)


def finish(code: int) -> int:
    """End without unwinding: a thread deep in torch would keep the interpreter from ending."""
    logging.shutdown()
    os._exit(code)


def _environment(chosen: Settings, trust: str | None) -> dict[str, str]:
    """Environment of the libraries, which read it when they are imported."""
    found = {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    if Path(chosen.base_model).is_dir():
        found["HF_HUB_OFFLINE"] = "1"
    if trust:
        found |= {"SSL_CERT_FILE": trust, "REQUESTS_CA_BUNDLE": trust}
    return found


class Run:
    """One start of the container.

    Attributes:
        step: how far the training is.
    """

    def __init__(self, chosen: Settings, trust: str | None, hub: Hub) -> None:
        self._settings = chosen
        self._trust = trust
        self._hub = hub
        self._interrupted = Event()
        self._training: Training | None = None
        self.step = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._leave)

    def result(self) -> note.Result:
        """Do everything that is left to do; what an earlier start has done is not done again.

        Raises:
            Failure: it cannot be done.
        """
        chosen = self._settings
        wanted = _configuration(chosen)
        chosen.work_folder.mkdir(parents=True, exist_ok=True)
        output = Output(chosen, self._trust)
        trained = finished(chosen.work_folder, chosen.run_id)
        if trained is None:
            output.restore()
            addresses = _addresses(chosen.addresses, self._hub)
            fetch(addresses, chosen.data_folder, limit_bytes=chosen.data_limit_bytes)
            # Told at once: the libraries that read the rows take seconds to import.
            grouped(data_files(chosen.data_folder))
            trained = self._train(wanted, output)
        self.step = trained.steps
        return output.hand_on(trained)

    def _train(self, wanted: TrainingConfig, output: Output) -> Trained:
        """Train, with the libraries imported only now: that takes seconds.

        Raises:
            Failure: it cannot be done.
        """
        import torch

        from training.metrics import Metrics
        from training.progress import serve
        from training.run import Training

        metrics = Metrics()
        serve(metrics, self._settings.host, self._settings.port)
        training = Training(
            self._settings,
            wanted,
            metrics=metrics,
            keep=output.keep if output.keeps_elsewhere else None,
        )
        try:
            self._training = training
            return training.run(self._interrupted)
        except torch.OutOfMemoryError as error:
            raise Failure(
                Kind.MEMORY,
                "the GPU's memory is too small: set TrainingArguments.max_length lower, use qlora,"
                " or a larger resource.instanceType",
            ) from error
        except (RuntimeError, ValueError, TypeError, KeyError, IndexError, OSError) as error:
            log.error("training.failed", exception=error)
            said = " ".join(str(error).split())[:500]
            raise Failure(
                Kind.TRAINING, f"{type(error).__name__}: {said}: the log has the whole traceback"
            ) from error
        finally:
            self.step = training.step
            self._training = None

    def _leave(self, number: int, _: object) -> None:
        """Stop after the present step; where no step is under way, at once."""
        log.info("process.stopping", signal=signal.Signals(number).name)
        self._interrupted.set()
        if self._training is None or not self._training.is_under_way:
            finish(INTERRUPTED)


def _addresses(urls: Sequence[str], hub: Hub) -> list[str]:
    """The addresses to ask for the data.

    Raises:
        Failure: one is the hub's, which may not be asked.
    """
    found = []
    for number, url in enumerate(urls):
        try:
            found.append(hub.data_address(url))
        except Refused as refused:
            raise Failure(
                Kind.DATA_UNAVAILABLE, f"tuning.input.urls[{number}]: {shown(url)}: {refused}"
            ) from refused
    return found


def _configuration(chosen: Settings) -> TrainingConfig:
    """The user's parameters over those of the image over those of the method.

    Raises:
        Failure: they say something that cannot be carried out.
    """
    layers = [config.default_text(chosen.method)]
    if chosen.defaults:
        layers.insert(0, chosen.defaults.read_text(encoding="utf-8"))
    is_named = bool(chosen.config_map) or chosen.config.is_file()
    text = config.user_text(chosen.config, config_map=chosen.config_map) if is_named else ""
    return config.read(text, method=chosen.method, defaults=tuple(layers))
