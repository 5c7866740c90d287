"""The page of what the server does not do as Azure does: `python -m hack.cluster.arm.differences`.

The list is differences.yaml, beside the code that it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "arm.md"

HEAD = """\
# The local ARM server

Written by `python -m hack.cluster.arm.differences` from hack/cluster/arm/differences.yaml.
Do not edit.

`hack/local` and the tests have no Azure. They have a server that answers at the addresses of
Azure Resource Manager that the provisioner asks: agent pools of AKS, their operations, the sizes
and the quotas of Microsoft.Compute, and the token endpoint. The real SDK speaks to it, over TLS.
Its answers are held to the SDK's models, field by field, and to the REST reference, by
`tests/unit/cluster/arm/test_honesty.py`.
"""


class Difference(BaseModel):
    """One place where the server is not Azure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    here: str
    """What this server does."""
    azure: str = ""
    """What the service does; "" where that is not known."""
    fields: tuple[str, ...] = ()
    """REST names that the service returns and this server never does."""


def differences() -> Sequence[Difference]:
    """All of them, in the order of the file."""
    rows = yaml.safe_load(Path(__file__).with_name("differences.yaml").read_text())
    return tuple(map(Difference.model_validate, rows["differences"]))


def rendered() -> str:
    """Text of the page."""
    rows = differences()
    known = [(each.about, each.azure, each.here) for each in rows if each.azure]
    unknown = [(each.about, each.here) for each in rows if not each.azure]
    return "\n".join(
        [
            HEAD,
            "## Where it differs\n",
            *_table(("About", "Azure", "This server"), known),
            "\n## Where nobody here knows what Azure does\n",
            *_table(("About", "This server"), unknown),
            "",
        ]
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    PAGE.write_text(rendered())
