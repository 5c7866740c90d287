"""What a cluster holds of one Workspace at one moment: the material of `status` and `why`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.api.workspace import Workspace
from kaito.kube.conditions import condition
from kaito.kube.kinds import Deployment, Job, Node, Pod, ReplicaSpec, Service, StatefulSet
from kaito.kube.objects import Condition

Claim = Machine | NodeClaim
Workload = Deployment | StatefulSet | Job

CLAIM_STAGES = (
    *("MachineLaunched", "MachineRegistered", "MachineInitialized"),
    *("Launched", "Registered", "Initialized", "Ready"),
)
"""Conditions of a claim in the order in which they come true, of both Kinds."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One look.

    Attributes:
        now: when it was taken.
        workspace: what was asked about.
        claims: what was made for it to get nodes, by name.
        nodes: those that it runs on, will run on, or has asked for, by name.
        workloads: what runs its pods.
        pods: its pods, by name.
        service: its address; None before there is one.
        hidden: what these credentials may not read, each with the server's sentence.
    """

    now: datetime
    workspace: Workspace
    claims: tuple[Claim, ...] = ()
    nodes: tuple[Node, ...] = ()
    workloads: tuple[Workload, ...] = ()
    pods: tuple[Pod, ...] = ()
    service: Service | None = None
    hidden: tuple[str, ...] = ()

    @property
    def replica_spec(self) -> ReplicaSpec:
        """What the workload says of its pods; of a Job's nothing is known."""
        specs = (each.spec for each in self.workloads if not isinstance(each, Job))
        return next(specs, ReplicaSpec())

    def age_seconds(self, since: datetime | None) -> float | None:
        """Seconds from `since` to now, at least 0; None without a time."""
        return max(0.0, (self.now - since).total_seconds()) if since else None


def kind_of(item: Claim | Workload) -> str:
    """The name of an object's Kind."""
    return type(item).__name__


def obstacle(claim: Claim) -> Condition | None:
    """The first stage of a claim that is not done, None when it has them all."""
    stages = (condition(claim.status.conditions, each) for each in CLAIM_STAGES)
    return next((stage for stage in stages if stage and stage.status != "True"), None)
