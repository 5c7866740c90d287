"""Decide what is left over. Pure; whatever does not carry our mark is never looked at twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from kaito.api import labels
from kaito.kube.kinds import Node
from provisioner.cloud import Instance, InstanceState
from provisioner.instances import Listing


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at both sides.

    Attributes:
        listing: the newest complete list of instances, and the names in the one before.
        claims: uids of all claims of both Kinds, deleting ones included.
        nodes: all nodes.
        now: when this is.
        age_seconds: what is younger is left alone: its claim may not have reached us yet.
    """

    listing: Listing
    claims: frozenset[str]
    nodes: tuple[Node, ...]
    now: datetime
    age_seconds: float = 60.0

    def seconds_old(self, born: datetime | None) -> float:
        """Age of something; 0 when it is not known."""
        return (self.now - born).total_seconds() if born else 0.0

    def is_old(self, born: datetime | None) -> bool:
        """Whether something is old enough to be judged; an unknown age is not."""
        return born is not None and self.now - born >= timedelta(seconds=self.age_seconds)


def suspects(seen: Observed) -> tuple[Instance | Node, ...]:
    """What will be a leftover once it is old enough, and what is one."""
    young = replace(seen, age_seconds=0.0)
    return (*orphans(young), *strays(young))


def born(leftover: Instance | Node) -> datetime | None:
    """When it came to be."""
    if isinstance(leftover, Instance):
        return leftover.created
    return leftover.metadata.creation_timestamp


def orphans(seen: Observed) -> tuple[Instance, ...]:
    """Instances with our mark whose claim is no more, in two lists in a row."""
    return tuple(each for _, each in sorted(seen.listing.instances.items()) if _orphan(seen, each))


def _orphan(seen: Observed, instance: Instance) -> bool:
    before = seen.listing.before.get(instance.name)
    return (
        instance.owner is not None
        and instance.owner.uid not in seen.claims
        and instance.state is not InstanceState.DELETING
        and before is not None
        and before.owner == instance.owner
        and seen.is_old(instance.created)
    )


def strays(seen: Observed) -> tuple[Node, ...]:
    """Nodes with our mark whose instance is in none of the last two lists."""
    return tuple(node for node in seen.nodes if _stray(seen, node))


def _stray(seen: Observed, node: Node) -> bool:
    marks = node.metadata.labels
    pool = marks.get(labels.AGENT_POOL, "")
    return (
        labels.MACHINE_TYPE in marks
        and bool(pool)
        and marks.get(labels.AKS_AGENT_POOL) == pool
        and not node.is_deleting
        and seen.listing.is_gone(pool)
        and bool(seen.listing.before)
        and seen.is_old(node.metadata.creation_timestamp)
    )
