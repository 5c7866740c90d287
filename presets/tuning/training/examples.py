"""The data set as TRL takes it: files read, columns recognised, shuffled, split."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import concatenate_datasets, disable_progress_bars, load_dataset
from datasets.exceptions import DatasetGenerationError

from training import log
from training.config import DatasetSection
from training.failure import Failure, Kind
from training.files import check_json, data_files, grouped
from training.formats import Format, check_rows, has_single_answer, recognised, single_answers

CHECKED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Examples:
    """What is trained on, and what the loss is checked on (None: nothing)."""

    train: Any
    test: Any | None


def read(folder: Path, cache: Path, chosen: DatasetSection, *, chats: bool) -> Examples:
    """The examples in a folder.

    Args:
        folder: holds the files.
        cache: where the library may put its own copies.
        chosen: what the user says of the data.
        chats: whether the model has a chat template.

    Raises:
        Failure: there are none, or they have no known format.
    """
    disable_progress_bars()
    rows = _rows(folder, cache)
    form = recognised(rows.column_names, chosen, chats=chats)
    check_rows(list(islice(rows, CHECKED_ROWS)), form)
    log.info("data.recognised", format=form.name, rows=len(rows), columns=rows.column_names)
    rows = _converted(rows, form, chats=chats)
    if chosen.shuffle_dataset:
        rows = rows.shuffle(seed=chosen.shuffle_seed)
    return _split(rows, chosen)


def _rows(folder: Path, cache: Path) -> Any:
    """The rows of all files, which must have the same columns."""
    files = data_files(folder)
    parts: list[Any] = []
    for form, paths in grouped(files).items():
        for path in paths:
            part = _part(form, path, cache)
            if parts and set(part.column_names) != set(parts[0].column_names):
                raise Failure(
                    Kind.DATA_UNUSABLE,
                    f"{path.name} has the columns {', '.join(part.column_names)}, and another file"
                    f" of the data set {', '.join(parts[0].column_names)}: give them the same",
                )
            parts.append(part)
    try:
        rows = concatenate_datasets(parts)
    except ValueError as error:
        said = " ".join(str(error).split())[:300]
        raise Failure(
            Kind.DATA_UNUSABLE, f"the files of the data set hold different things: {said}"
        ) from error
    if len(rows) == 0:
        raise Failure(Kind.DATA_UNUSABLE, "the data set has no rows")
    return rows


def _part(form: str, path: Path, cache: Path) -> Any:
    """The rows of one file."""
    try:
        return load_dataset(form, data_files=str(path), split="train", cache_dir=str(cache))
    except (DatasetGenerationError, ValueError, OSError) as error:
        if form == "json":
            check_json(path)
        said = " ".join(str(error.__cause__ or error).split())[:300]
        raise Failure(
            Kind.DATA_UNUSABLE, f"{path.name} cannot be read as {form}: {said}"
        ) from error


def _converted(rows: Any, form: Format, *, chats: bool) -> Any:
    """The rows in one of TRL's own formats, without the columns that nobody reads."""
    if form.name == "messages":
        if not chats:
            raise Failure(
                Kind.DATA_UNUSABLE,
                "the data set holds conversations, and the model has no chat template: set"
                " ModelConfig.chat_template, or use prompt and completion",
            )
        if all(has_single_answer(turns) for turns in rows[form.needs[0]]):
            form = single_answers(form)
    if form.convert is None:
        return rows.select_columns(list(form.needs))
    return rows.map(form.convert, remove_columns=rows.column_names)


def _split(rows: Any, chosen: DatasetSection) -> Examples:
    """The part to train on, and the part to check on."""
    if chosen.train_test_split >= 1:
        return Examples(rows, None)
    found = rows.train_test_split(train_size=chosen.train_test_split, seed=chosen.shuffle_seed)
    return Examples(found["train"], found["test"])
