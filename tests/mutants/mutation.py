"""The lists of bugs that are seeded, one at a time, into a copy of the tree."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

ROOT = Path(__file__).parents[2]
AT_LEAST = {"engine": 12, "provisioner": 10, "workspace": 10}
"""The lists, and how many different bugs each has to hold."""


class Mutation(BaseModel):
    """A bug: one text in one file that another takes the place of, and what finds it.

    Attributes:
        tests: files of which at least one must fail.
        plans: runs in virtual time of which at least one must go wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bug: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()


LISTS = {
    name: tuple(
        Mutation.model_validate(row)
        for row in yaml.safe_load(Path(__file__).with_name(f"{name}.yaml").read_text())
    )
    for name in AT_LEAST
}
