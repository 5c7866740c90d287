"""What can be set of the server.

`--host` and `--port` are HOST and PORT in the environment; `--max-queue` is INFERENCE_MAX_QUEUE,
and so on for every other field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from process.settings import EVERY_ADDRESS, CommandLine


class Dtype(StrEnum):
    """The number format of the weights in memory."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class LogLevel(StrEnum):
    """The least important line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(BaseModel):
    """All that the server is told at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    host: str = Field(EVERY_ADDRESS, min_length=1, description="address to listen on")
    port: int = Field(5000, ge=0, le=65535, description="TCP port to listen on; 0: any free one")
    pretrained_model_name_or_path: str = Field(
        "/workspace/weights",
        min_length=1,
        description="folder of the model, or its name on the hub",
    )
    served_model_name: str = Field(
        "", description="name of the model in metrics; the folder's own name when empty"
    )
    revision: str = Field("main", min_length=1, description="branch, tag or commit on the hub")
    torch_dtype: Dtype = Field(Dtype.AUTO, description="number format of the weights")
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N"
    )
    threads: int = Field(
        0, ge=0, le=1024, description="CPU threads of one operation; 0: torch's choice"
    )
    adapters_dir: str = Field("", description="folder of adapters, one in each of its folders")
    api_key: str = Field(
        "", exclude=True, description="what clients have to know; set in the environment alone"
    )
    api_key_file: str = Field("", description="file with that key")
    kv_cache_bytes: int = Field(
        0,
        ge=0,
        description="memory for the KV cache and the batches; 0: out of the container's limit",
    )
    max_batch_requests: int = Field(
        32, ge=1, le=1024, description="requests that are generated at once"
    )
    max_batch_tokens: int = Field(
        0, ge=0, le=65536, description="tokens of one batch; 0: 512 on a CPU, 2048 on a GPU"
    )
    max_queue: int = Field(256, ge=0, description="requests that may wait behind the running ones")
    drain_seconds: int = Field(
        25, ge=0, description="what running requests get after SIGTERM, in seconds"
    )
    allow_remote_files: bool = Field(default=False, description="fetch missing files from the hub")
    trust_remote_code: bool = Field(
        default=False, description="run Python code out of the model's folder"
    )
    termination_log: str = Field(
        "/dev/termination-log", description="existing file that gets the reason of a failed start"
    )
    log_level: LogLevel = Field(LogLevel.INFO, description="debug, info, warning or error")

    @property
    def model_name(self) -> str:
        """The served name, or the last part of the path."""
        return (
            self.served_model_name or self.pretrained_model_name_or_path.rstrip("/").split("/")[-1]
        )


COMMAND_LINE = CommandLine(
    Settings,
    program="server.py",
    purpose="Serve one model over HTTP.",
    prefix="INFERENCE",
    unprefixed=frozenset({"host", "port"}),
    hidden=frozenset({"api_key"}),
)


def settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings out of the command line, the environment, and the key's file.

    Raises:
        SystemExit: 2 with what is wrong on standard error, 0 after `--help`.
    """
    chosen = COMMAND_LINE.read(argv, environ)
    try:
        return with_key(chosen)
    except OSError as error:
        COMMAND_LINE.refuse(f"--api-key-file: {error.strerror}")


def with_key(chosen: Settings) -> Settings:
    """The settings with the key out of its file, if there is one.

    Raises:
        OSError: the file cannot be read.
    """
    if not chosen.api_key_file:
        return chosen
    key = Path(chosen.api_key_file).read_text(encoding="utf-8").strip()
    return chosen.model_copy(update={"api_key": key})
