"""Nodes that do not come back: the claim for one is given back, and another node follows. Pure.

A kubelet that misses heartbeats comes back, most times. One that has been silent for long sits on
a machine that is broken, and its GPU is paid for. Nodes that the user brings are the user's: of
those it is only said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaito.api.machine import READY
from kaito.kube.conditions import condition, is_true
from kaito.kube.kinds import Node
from kaito.nodes.claim import Claim, stages


@dataclass(frozen=True, slots=True)
class Absence:
    """A node that served and does not any more.

    Attributes:
        claim: that brought it.
        node: its name.
        since: when it stopped being ready.
        until: when it counts as lost.
    """

    claim: Claim
    node: str
    since: datetime
    until: datetime

    @property
    def message(self) -> str:
        """The sentence that the status keeps."""
        return absence(self.node, self.since)


def absences(
    claims: Iterable[Claim], nodes: Iterable[Node], *, patience_seconds: float
) -> Iterator[Absence]:
    """Nodes of claims that were usable once, and are not ready now, or not there any more.

    One that has never been usable is not among them: whoever carries the claim out has deadlines.

    Args:
        claims: of one workspace.
        nodes: those that may be theirs.
        patience_seconds: how long a node may be away before it counts as lost.
    """
    found = {node.metadata.name: node for node in nodes}
    for claim in claims:
        if not is_true(claim.status.conditions, stages(claim)[-1]):
            continue
        node = found.get(claim.status.node_name)
        since = unready_since(node) if node else _gone_since(claim)
        if since:
            until = since + timedelta(seconds=patience_seconds)
            yield Absence(claim, claim.status.node_name, since, until)


def _gone_since(claim: Claim) -> datetime | None:
    """Since when whoever carries a claim out misses its node; None while nobody does."""
    ready = condition(claim.status.conditions, READY)
    return ready.last_transition_time if ready and ready.status != "True" else None


def unready_since(node: Node) -> datetime | None:
    """Since when a node has not been ready; None while it is, or where nobody says since when."""
    ready = condition(node.status.conditions, "Ready")
    if ready is None or ready.status == "True":
        return None
    return ready.last_transition_time


def absence(node: str, since: datetime) -> str:
    """The sentence about a node that is away."""
    return f"node {node} has not been ready since {since:%Y-%m-%dT%H:%M:%SZ}"
