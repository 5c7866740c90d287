"""What the operator tells the trainer.

`--host` is HOST in the environment; `--data-folder` is TUNING_DATA_FOLDER, and so on for every
other field. What the user chooses stands in the training configuration, not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from process.settings import EVERY_ADDRESS, CommandLine
from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """All that the trainer is told at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    host: str = Field(EVERY_ADDRESS, min_length=1, description="address of the metrics")
    port: int = Field(5000, ge=0, le=65535, description="TCP port of the metrics; 0: any free one")
    method: Literal["lora", "qlora"] = Field("lora", description="lora or qlora")
    base_model: str = Field("/workspace/weights", description="folder of the model, or its name")
    base_model_name: str = Field("", description="name of the model in the adapter's own file")
    config: Path = Field(
        Path("/mnt/config/training_config.yaml"), description="the user's parameters, if it exists"
    )
    config_map: str = Field("", description="ConfigMap that must hold it; empty: it need not exist")
    defaults: Path | None = Field(
        None, description="parameters that the image's author chose for its model"
    )
    data_folder: Path = Field(Path("/mnt/data"), description="where the data set is, or goes")
    urls: str = Field("", description="addresses of the data set, one a line")
    data_limit_bytes: int = Field(
        200 * 1024**3, ge=1, description="largest data set that is downloaded, in bytes"
    )
    work_folder: Path = Field(Path("/mnt/results"), description="checkpoints and the adapter")
    output_folder: Path | None = Field(None, description="volume that the adapter is copied to")
    output_image: str = Field("", description="reference that the adapter is pushed as")
    output_secret: str = Field("", description="name of the Secret to push with")
    secrets_folder: Path = Field(
        Path("/mnt/secrets"), description="holds a folder for each mounted Secret"
    )
    ca_bundle: Path | None = Field(
        None, description="authorities that are trusted besides the usual ones, as PEM"
    )
    run_id: str = Field("", description="checkpoints of another run are not resumed")
    checkpoint_seconds: float = Field(
        300, gt=0, description="longest training that an interruption may cost, in seconds"
    )
    push_seconds: float = Field(300, gt=0, description="how long a push is tried before it fails")
    threads: int = Field(0, ge=0, le=1024, description="CPU threads; 0: torch's choice")
    termination_log: str = Field("/dev/termination-log", description="file that gets the result")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="log level")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the data set."""
        return tuple(line.strip() for line in self.urls.splitlines() if line.strip())

    @property
    def secrets(self) -> tuple[str, ...]:
        """The Secrets to push with."""
        return (self.output_secret,) if self.output_secret else ()


COMMAND_LINE = CommandLine(
    Settings,
    program="trainer.py",
    purpose="Tune one model.",
    prefix="TUNING",
    unprefixed=frozenset({"host"}),
)


def settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings out of the command line and the environment.

    Raises:
        SystemExit: 2 with what is wrong on standard error, 0 after `--help`.
    """
    return COMMAND_LINE.read(argv, environ)
