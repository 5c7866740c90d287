"""The page in docs/ that says what was found."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from hack.benchmarks.engine.page import machine

Found = Mapping[str, object]

_PROGRAMS = ("torch", "transformers")
_TELL = f"""
import json, platform
from importlib.metadata import version
found = {{name: version(name) for name in {_PROGRAMS}}}
print(json.dumps({{"Python": platform.python_version(), **found}}))
"""
_HEAD = """# The server beside `transformers serve`

Written by `hack/bench serve` on {date}. Do not edit.

Both serve one tiny model (a Phi-3 of 0.2 million parameters) on the CPU, each pinned to the same
processor with one thread, with continuous batching, {batch_tokens} tokens a batch and a cache of
{cache_pages} pages of 256 tokens. So many clients each ask again as soon as they are answered: a
stream of exactly {tokens} tokens, greedy, at `/v1/chat/completions`. Both are up the whole time and
asked in turns; a figure is the median of {rounds} rounds of {seconds:g} s, of memory the most.

With a model this small the time goes to the server around it, which is what is compared. It says
nothing of GPUs.

- Machine: {machine}; {load:.1f} other processes wanted a processor when it began
- Versions: {versions}
- TTFT: from the request to the first token. ITL: from one token to the next. CPU: of the server,
  for one token; other programs on the machine change it least.

| clients | system | {titles} |
| --- | --- | {dashes} |
"""
_COLUMNS = {
    "requests_per_second": "requests/s",
    "tokens_per_second": "tokens/s",
    "ttft_p50_ms": "TTFT p50, ms",
    "ttft_p99_ms": "TTFT p99, ms",
    "itl_p50_ms": "ITL p50, ms",
    "cpu_us_per_token": "CPU a token, µs",
    "peak_mb": "peak, MB",
    "errors": "errors",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What stands around the figures.

    Attributes:
        versions: of what serves, by name.
        load: of the machine before it began: processes that ran or waited for a processor.
        rounds: of each system.
        seconds: of each round.
        tokens: of each answer.
        batch_tokens: most in one batch.
        cache_pages: of 256 tokens.
    """

    versions: Mapping[str, str]
    load: float
    rounds: int
    seconds: float
    tokens: int
    batch_tokens: int
    cache_pages: int


def page(rows: Sequence[Found], setting: Setting, *, today: date) -> str:
    """The text of the page.

    Args:
        rows: of each system and number of clients: `system`, `clients` and the figures.
        setting: what they were found with.
        today: when.
    """
    head = _HEAD.format(
        date=today,
        machine=machine(),
        load=setting.load,
        versions=", ".join(f"{name} {text}" for name, text in setting.versions.items()),
        rounds=setting.rounds,
        seconds=setting.seconds,
        tokens=setting.tokens,
        batch_tokens=setting.batch_tokens,
        cache_pages=setting.cache_pages,
        titles=" | ".join(_COLUMNS.values()),
        dashes=" | ".join("---" for _ in _COLUMNS),
    )
    ordered = sorted(rows, key=lambda row: (_number(row["clients"]), str(row["system"])))
    return head + "".join(_line(row) for row in ordered)


def versions(interpreters: Iterable[Path]) -> Mapping[str, str]:
    """What both servers run on; where they differ, both are told.

    Args:
        interpreters: of the environments that they run in.
    """
    told: dict[str, list[str]] = {}
    for python in interpreters:
        done = subprocess.run([python, "-c", _TELL], capture_output=True, check=True, text=True)
        for name, text in json.loads(done.stdout).items():
            told.setdefault(name, []).append(text)
    return {name: " and ".join(dict.fromkeys(texts)) for name, texts in told.items()}


def _line(row: Found) -> str:
    cells = [row["clients"], row["system"], *(row.get(name) for name in _COLUMNS)]
    return f"| {' | '.join(_cell(cell) for cell in cells)} |\n"


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
