"""What the operator tells the trainer: flags first, then the environment, then the defaults.

`--host` is HOST in the environment; `--data-folder` is TUNING_DATA_FOLDER, and so on for every
other field. What the user chooses stands in the training configuration, not here.
"""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

EVERY_ADDRESS = str(ipaddress.IPv4Address(0))
"""A pod's own network is its border; on a shared one, set HOST to an address of your own."""

UNPREFIXED = frozenset({"host"})


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


def settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings out of the command line and the environment.

    Raises:
        SystemExit: 2 with one line a field on standard error, 0 after `--help`.
    """
    parser = argument_parser()
    given: dict[str, object] = {
        name: environ[variable]
        for name in Settings.model_fields
        if (variable := environment_variable(name)) in environ
    }
    given |= vars(parser.parse_args(argv))
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        lines = [f"{flag(str(e['loc'][0]))}: {e['msg']}" for e in error.errors(include_url=False)]
        parser.error("; ".join(lines))


def argument_parser() -> argparse.ArgumentParser:
    """A parser with one flag a field; a flag that is not given leaves no value behind."""
    parser = argparse.ArgumentParser(
        prog="trainer.py", description="Tune one model.", allow_abbrev=False
    )
    for name, field in Settings.model_fields.items():
        text = f"{field.description} ({environment_variable(name)}; default {field.default!s})"
        parser.add_argument(flag(name), default=argparse.SUPPRESS, help=text, metavar="VALUE")
    return parser


def flag(name: str) -> str:
    """The command line's word for a field: `--data-folder` for `data_folder`."""
    return "--" + name.replace("_", "-")


def environment_variable(name: str) -> str:
    """The environment's word for a field: `TUNING_DATA_FOLDER` for `data_folder`."""
    return name.upper() if name in UNPREFIXED else f"TUNING_{name.upper()}"
