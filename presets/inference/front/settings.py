"""What can be set of the front; all other words of the command line are vLLM's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from process.settings import CommandLine, flag
from serving.settings import Settings

QUEUE = "max_queue"


class FrontSettings(BaseModel):
    """Settings that our own server has under the same names, with the same defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_queue: int = Field(
        Settings.model_fields[QUEUE].default,
        ge=0,
        description=Settings.model_fields[QUEUE].description,
    )


COMMAND_LINE = CommandLine(
    settings=FrontSettings,
    program="vllm_server.py",
    purpose="vLLM's own server, with what our contract asks of it.",
    prefix="INFERENCE",
    unprefixed=frozenset(),
)
QUEUE_VARIABLE = COMMAND_LINE.variable(QUEUE)
QUEUE_FLAG = f"{flag(QUEUE)}="


def front_settings(words: Sequence[str], environ: Mapping[str, str]) -> FrontSettings:
    """The front's settings out of a command line whose other words are vLLM's.

    Raises:
        SystemExit: 2 with what is wrong with them on standard error.
    """
    return COMMAND_LINE.read([word for word in words if word.startswith(QUEUE_FLAG)], environ)
