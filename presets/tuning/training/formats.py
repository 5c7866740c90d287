"""What the columns of a data set mean: conversations, instructions, pairs or plain text.

Pure: rows in, rows out. TRL takes the loss over the answer alone where it is told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.config import DatasetSection
from training.failure import Failure, Kind

Row = Mapping[str, Any]
Rows = dict[str, Any]

ROLES = frozenset({"system", "user", "assistant", "tool"})
KNOWN = (
    "messages; prompt and completion; instruction and response (context is optional);"
    " instruction and output (input is optional); text"
)


@dataclass(frozen=True, slots=True)
class Format:
    """A recognised set of columns.

    Attributes:
        name: for the log.
        needs: columns that it reads.
        convert: one row as TRL wants it; None where a row is used as it is.
    """

    name: str
    needs: tuple[str, ...]
    convert: Callable[[Row], Rows] | None = None


def recognised(columns: Sequence[str], chosen: DatasetSection, *, chats: bool) -> Format:
    """The format of a data set.

    Args:
        columns: names of all its columns.
        chosen: columns that the user names.
        chats: whether the model has a chat template.

    Raises:
        Failure: it is none of those known; the columns are in the message.
    """
    named = _named(columns, chosen, chats=chats)
    if named:
        return named
    for candidate in _known(chats=chats):
        if set(candidate.needs) <= set(columns):
            return candidate
    raise Failure(
        Kind.DATA_UNUSABLE,
        f"the data set has the columns {_list(columns)}; known are: {KNOWN}. Rename them, or name"
        " them in DatasetConfig (messages_column, context_column, response_column)",
    )


def check_rows(rows: Sequence[Row], form: Format) -> None:
    """The first rows hold what their format says.

    Raises:
        Failure: naming the row and what is wrong with it.
    """
    for number, row in enumerate(rows):
        for column in form.needs:
            problem = _problem(row[column], is_chat=form.name == "messages")
            if problem:
                raise Failure(
                    Kind.DATA_UNUSABLE, f"row {number} of the data set: {column} {problem}"
                )


def single_answers(form: Format) -> Format:
    """A conversation of one answer, which is its last turn: only the answer is to be learnt."""

    def convert(row: Row) -> Rows:
        turns = row[form.needs[0]]
        return {"prompt": turns[:-1], "completion": turns[-1:]}

    return Format("messages", form.needs, convert)


def has_single_answer(turns: Sequence[Mapping[str, str]]) -> bool:
    """Whether the assistant speaks once in a conversation, after somebody else, at its end."""
    speakers = [turn["role"] for turn in turns]
    return len(turns) > 1 and speakers[-1] == "assistant" and speakers.count("assistant") == 1


def _named(columns: Sequence[str], chosen: DatasetSection, *, chats: bool) -> Format | None:
    """The format that the user's own names of columns make."""
    names = (chosen.messages_column, chosen.context_column, chosen.response_column)
    missing = [name for name in names if name and name not in columns]
    if missing:
        raise Failure(
            Kind.DATA_UNUSABLE,
            f"DatasetConfig names the column {missing[0]}, and the data set has {_list(columns)}",
        )
    messages, context, response = names
    if messages:
        return Format("messages", (messages,), lambda row: {"messages": row[messages]})
    if context and response:
        return _pair((context, response), _asks(chats=chats))
    if response:
        return Format("text", (response,), lambda row: {"text": row[response]})
    return None


def _known(*, chats: bool) -> tuple[Format, ...]:
    """The formats that are found by their usual names, the most telling first."""
    ask = _asks(chats=chats)
    return (
        Format("messages", ("messages",)),
        Format("prompt and completion", ("prompt", "completion")),
        _instruction("response", "context", ask),
        _instruction("output", "input", ask),
        Format("text", ("text",)),
    )


def _instruction(answer: str, extra: str, ask: Callable[[str, str], Rows]) -> Format:
    """Instructions, some with a text that they are about."""

    def convert(row: Row) -> Rows:
        about = row.get(extra)
        question = f"{row['instruction']}\n\n{about}" if about else row["instruction"]
        return ask(question, row[answer])

    return Format(f"instruction and {answer}", ("instruction", answer), convert)


def _pair(names: tuple[str, str], ask: Callable[[str, str], Rows]) -> Format:
    """Questions and answers under the user's own names."""
    question, answer = names
    return Format(f"{question} and {answer}", names, lambda row: ask(row[question], row[answer]))


def _asks(*, chats: bool) -> Callable[[str, str], Rows]:
    """How a question and its answer are put to the model."""

    def chat(question: str, answer: str) -> Rows:
        return {
            "prompt": [{"role": "user", "content": question}],
            "completion": [{"role": "assistant", "content": answer}],
        }

    def plain(question: str, answer: str) -> Rows:
        return {"prompt": f"{question}\n", "completion": answer}

    return chat if chats else plain


def _problem(value: Any, *, is_chat: bool) -> str:
    """What is wrong with one cell, "" for nothing."""
    if not is_chat:
        is_turns = isinstance(value, list)
        if isinstance(value, str) or (is_turns and not _turn_problem(value)):
            return ""
        return f"is no text but {value!r:.60}"
    return _turn_problem(value)


def _turn_problem(value: Any) -> str:
    """What is wrong with a conversation, "" for nothing."""
    if not isinstance(value, list) or not value:
        return "is no list of {role, content}"
    for turn in value:
        if not isinstance(turn, Mapping) or not {"role", "content"} <= set(turn):
            return f"holds a turn without role and content: {turn!r:.80}"
        if turn["role"] not in ROLES:
            return f"holds the role {turn['role']!r}; known are {', '.join(sorted(ROLES))}"
    return ""


def _list(columns: Sequence[str]) -> str:
    """Columns for a sentence."""
    return ", ".join(columns) if columns else "(none)"
