"""The journal: one JSON line for each request that a client of Azure made, in order.

It is the witness of tests and of the demo's timeline. It holds no token and no assertion.
Requests at /local/ are not Azure's and are left out.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel


class Entry(BaseModel):
    """One request and how it was answered; filled while it is worked on, "" where nothing is."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    time: str = ""
    """RFC 3339, UTC, when the request came."""
    method: str = ""
    path: str = ""
    operation: str = ""
    """PUT, GET, LIST, DELETE, ABORT, POLL or SIGN_IN; "" for what is none of these."""
    pool: str = ""
    api_version: str = ""
    if_match: str = ""
    if_none_match: str = ""
    client_request_id: str = ""
    user_agent: str = ""
    body: JsonValue = None
    """Of a PUT."""
    status: int = 0
    """HTTP status; 0 when the connection was dropped."""
    error_code: str = ""
    operation_id: str = ""
    """The long-running operation that it began or asked for."""
    fault: str = ""
    """What the scenario did to it."""


class Journal:
    """The file, open for appending."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, entry: Entry) -> None:
        """Append one line, and hand it to the system at once."""
        self._file.write(entry.model_dump_json(by_alias=True, exclude_none=True) + "\n")
        self._file.flush()

    def entries(self, *, since: int = 0) -> list[JsonValue]:
        """Everything written so far, also before a restart, without the first `since` lines."""
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines[since:]]

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def timestamp(seconds: float) -> str:
    """RFC 3339 of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
