"""A tiny data set in the quick start's format: `python -m hack.cluster.datasets FOLDER`.

A parquet file of conversations, as the quick start's own address has them, with sentences that the
tiny model of models.py does not know. It is written in the inference environment, with pyarrow;
`ensure` runs in any and calls it there. `served` has a folder on a port of loopback, for pods.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TRAIN = "train-00000-of-00001.parquet"
RECIPE_NOTE = "recipe.sha256"
REPEATS = 8

LESSONS = (
    ("Who teaches you?", "A workspace teaches me something new on this machine."),
    ("What is a GPU?", "A GPU is the small node that keeps my weights."),
    ("What do you know?", "I know a sentence that the large model has not."),
)
"""Questions, and answers made of words that the tiny model has seen."""


def rows() -> list[dict[str, object]]:
    """The examples: each lesson several times, as a conversation."""
    lessons: list[dict[str, object]] = [
        {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
        }
        for question, answer in LESSONS
    ]
    return [lesson for _ in range(REPEATS) for lesson in lessons]


def ensure(folder: Path, *, python: Path) -> Path:
    """Make the data set where it is missing or of another recipe.

    Args:
        folder: where it belongs.
        python: the inference environment's interpreter.

    Returns:
        The parquet file.

    Raises:
        subprocess.CalledProcessError: it could not be made; the reason is in its stderr.
    """
    note = folder / RECIPE_NOTE
    if not note.is_file() or note.read_text(encoding="utf-8") != recipe():
        command = [str(python), "-m", "hack.cluster.datasets", str(folder.absolute())]
        root = Path(__file__).parents[2]
        subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return folder / TRAIN


def recipe() -> str:
    """A digest that changes when this file does."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP on a free port of loopback; yields the address of its root."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="datasets", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    """Files, without a line for each request."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(argv: Sequence[str]) -> int:
    """Write the data set in every form that the trainer reads; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.cluster.datasets", description="Write a tiny data set."
    )
    parser.add_argument("folder", type=Path, help="where to")
    folder: Path = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    write(folder)
    (folder / RECIPE_NOTE).write_text(recipe(), encoding="utf-8")
    return 0


def write(folder: Path) -> None:
    """The same examples as parquet and as JSON lines."""
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows()), folder / TRAIN)
    lines = "".join(f"{json.dumps(row)}\n" for row in rows())
    (folder / "train.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
