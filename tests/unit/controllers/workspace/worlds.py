"""Builders of workspaces and their surroundings, and a world that actions change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeVar, cast

from kaito.api import labels
from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog
from kaito.catalog.preset import Image, Preset, Requirements
from kaito.catalog.sku import Sku
from kaito.controllers.workspace.observe import Observed, Options
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status
from kaito.controllers.workspace.step import (
    Action,
    AddFinalizer,
    Apply,
    Create,
    Delete,
    DeleteUnseen,
    Pin,
    ReleaseFinalizer,
    Unpin,
)
from kaito.kube.kinds import Deployment, Job, Node, Pod, Service, StatefulSet
from kaito.nodes.claim import Claim, Wish

W = TypeVar("W", Deployment, StatefulSet)
C = TypeVar("C", bound=Claim)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UID = "0a1b2c3d-0000-4000-8000-000000000001"

PRESET = Preset(
    name="phi",
    images=(
        Image(
            repository="kaito-phi",
            tag="1",
            command=("serve",),
            port=5000,
            disk_storage="50Gi",
            readiness_timeout_seconds=1800,
        ),
    ),
    inference=Requirements(gpu_count=1, total_gpu_memory_gib=9, per_gpu_memory_gib=0),
)
SKU = Sku(name="Standard_X", gpus=1, gpu_memory_gib=16, model="NVIDIA X")
OTHER = Sku(name="Standard_Y", gpus=1, gpu_memory_gib=24, model="NVIDIA Y")
TINY = Sku(name="Standard_Tiny", gpus=1, gpu_memory_gib=4, model="NVIDIA T")
CATALOG = Catalog(
    presets=MappingProxyType({"phi": PRESET}),
    skus=MappingProxyType({sku.name: sku for sku in (SKU, OTHER, TINY)}),
)


WISH = Wish(ordinal=0, attempt=0, instance_type="Standard_X", storage="50Gi")
"""The claim for the first node of `workspace()`, the first time."""


def workspace(**changes: object) -> Workspace:
    """A workspace that serves `phi` on one Standard_X."""
    wire: dict[str, object] = {
        "metadata": {
            "name": "w",
            "namespace": "default",
            "uid": UID,
            "resourceVersion": "1",
            "generation": 1,
        },
        "resource": {
            "instanceType": "Standard_X",
            "labelSelector": {"matchLabels": {"apps": "phi"}},
        },
        "inference": {"preset": {"name": "phi"}},
    }
    return Workspace.model_validate(wire | changes)


def observed(**changes: Any) -> Observed:
    """A look at a workspace with our finalizer and nothing else."""
    bare = workspace()
    held = bare.metadata.model_copy(update={"finalizers": (labels.WORKSPACE_FINALIZER,)})
    seen = Observed(
        workspace=bare.model_copy(update={"metadata": held}),
        now=NOW,
        claims=(),
        nodes=(),
        service=None,
        deployment=None,
        pods=(),
        taken=frozenset(),
        catalog=CATALOG,
        options=Options(registry=""),
    )
    return replace(seen, **changes)


def node_of(claim: Claim, *, ready: bool = True, gpus: int = 1) -> Node:
    """The node that a claim brings."""
    return node(claim.metadata.labels, name=f"node-{claim.metadata.name}", ready=ready, gpus=gpus)


def node(carried: Mapping[str, str], *, name: str, ready: bool = True, gpus: int = 1) -> Node:
    """A node of the type Standard_X with some labels."""
    return Node.model_validate(
        {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "labels": {**carried, labels.INSTANCE_TYPE: "Standard_X"},
            },
            "status": {
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                "allocatable": {labels.GPU: str(gpus)},
            },
        }
    )


def with_condition(claim: C, type_: str, status: str, message: str = "", *, reason: str = "") -> C:
    """The claim with one more condition."""
    kept = [found for found in claim.status.conditions if found.type != type_]
    wire = claim.model_dump(by_alias=True)
    wire["status"]["conditions"] = [found.model_dump(by_alias=True) for found in kept]
    added = {"type": type_, "status": status, "message": message, "reason": reason}
    wire["status"]["conditions"].append(added)
    return cast("C", type(claim).model_validate(wire))


def pod_on(node_name: str, **changes: object) -> Pod:
    """A pod of the workspace `w`, on a node."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "w-5d9c", "uid": "r"}
    metadata = {"name": "w-5d9c-x", "namespace": "default", "ownerReferences": [owner]}
    return Pod.model_validate(
        {"metadata": {**metadata, **changes}, "spec": {"nodeName": node_name}}
    )


@dataclass(frozen=True)
class World:
    """The parts of the cluster that one workspace's life touches.

    Attributes:
        seen: what an up-to-date cache would show; None once the workspace is gone.
    """

    seen: Observed | None

    def after(self, action: Action) -> World:
        """The world once the API server has carried out one action."""
        if self.seen is None:
            return self
        if isinstance(action, DeleteUnseen):
            return World(
                replace(self.seen, pods=())
            )  # Their maker is gone: they end by themselves.
        return self._labelled(action) if isinstance(action, Pin | Unpin) else self._made(action)

    def _made(self, action: Create | Apply | Delete | AddFinalizer | ReleaseFinalizer) -> World:
        """The world once an object of ours is there, or gone, or may go."""
        assert self.seen
        match action:
            case Create(resource, manifest, _) if resource.kind in {"Machine", "NodeClaim"}:
                made = resource.type.model_validate(manifest)
                assert isinstance(made, Machine | NodeClaim)
                return self._created(made)
            case Create(resource, manifest, _) | Apply(resource, manifest):
                return self._applied(resource.kind, manifest)
            case Delete(resource, seen):
                return self._deleted(resource.kind, seen.metadata.name)
            case AddFinalizer(seen):
                return self._finalizers((*seen.metadata.finalizers, labels.WORKSPACE_FINALIZER))
            case ReleaseFinalizer(seen):
                alone = seen.metadata.finalizers == (labels.WORKSPACE_FINALIZER,)
                left = (*self.seen.claims, *self._pinned())
                return self if left else World(None if alone else self.seen)

    def _created(self, claim: Claim) -> World:
        """A claim more, unless one of its name is there."""
        assert self.seen
        if any(have.metadata.name == claim.metadata.name for have in self.seen.claims):
            return self
        return World(replace(self.seen, claims=(*self.seen.claims, claim)))

    def _pinned(self, *, bought: bool = False) -> tuple[Node, ...]:
        """Nodes that carry the workspace's uid: those that were brought, or all of them."""
        assert self.seen
        uid = self.seen.workspace.metadata.uid
        return tuple(
            node
            for node in self.seen.nodes
            if node.metadata.labels.get(labels.CREATED_FOR) == uid
            if bought or labels.WORKSPACE not in node.metadata.labels
        )

    def _labelled(self, action: Pin | Unpin) -> World:
        """A node with the label by which pods are pinned, or without."""
        assert self.seen
        seen = action.node
        carried = dict(seen.metadata.labels)
        carried.pop(labels.CREATED_FOR, None)
        if isinstance(action, Pin):
            carried[labels.CREATED_FOR] = action.uid
        metadata = seen.metadata.model_copy(update={"labels": carried})
        after = seen.model_copy(update={"metadata": metadata})
        nodes = (after if node.ref == seen.ref else node for node in self.seen.nodes)
        return World(replace(self.seen, nodes=tuple(nodes)))

    def _applied(self, kind: str, manifest: Mapping[str, object]) -> World:
        """A Service, or a workload whose pods are not ready yet."""
        assert self.seen
        if kind == "Service":
            service = Service.model_validate(manifest)
            if service.metadata.name.endswith("-headless"):
                return World(replace(self.seen, headless=service))
            return World(replace(self.seen, service=service))
        if kind == "Job":
            return World(replace(self.seen, job=Job.model_validate(manifest)))
        if kind == "Pod":
            return World(replace(self.seen, preflights=(Pod.model_validate(manifest),)))
        count = self.seen.workspace.resource.count
        pods = tuple(pod_on(node.metadata.name) for node in self._pinned(bought=True)[:count])
        if kind == "StatefulSet":
            group = _fresh(StatefulSet.model_validate(manifest))
            return World(replace(self.seen, stateful_set=group, pods=pods))
        return World(
            replace(self.seen, deployment=_fresh(Deployment.model_validate(manifest)), pods=pods)
        )

    def _deleted(self, kind: str, name: str) -> World:
        """A workload that is gone, or a claim whose deletion has begun."""
        assert self.seen
        if kind == "Deployment":
            return World(replace(self.seen, deployment=None))
        if kind == "StatefulSet":
            return World(replace(self.seen, stateful_set=None))
        if kind == "Job":
            return World(replace(self.seen, job=None))
        if kind == "Pod":
            left = tuple(pod for pod in self.seen.preflights if pod.metadata.name != name)
            return World(replace(self.seen, preflights=left))
        claims = tuple(
            _deleting(claim) if claim.metadata.name == name else claim for claim in self.seen.claims
        )
        return World(replace(self.seen, claims=claims))

    def _finalizers(self, finalizers: tuple[str, ...]) -> World:
        """The workspace with other finalizers."""
        assert self.seen
        metadata = self.seen.workspace.metadata.model_copy(update={"finalizers": finalizers})
        kept = self.seen.workspace.model_copy(update={"metadata": metadata})
        return World(replace(self.seen, workspace=kept))


def stored(seen: Observed) -> Observed:
    """The same world once the status that follows from it is stored."""
    said = status(seen, plan(seen))
    return replace(seen, workspace=seen.workspace.model_copy(update={"status": said}))


def acted(seen: Observed) -> Observed:
    """The same world once the plan is carried out."""
    world = World(seen)
    for step in plan(seen):
        for action in step.actions:
            world = world.after(action)
    assert world.seen
    return world.seen


def _fresh(made: W) -> W:
    """A workload as the API server has just stored it."""
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"generation": 1})})


def _deleting(claim: Claim) -> Claim:
    """The claim once deletion has been asked for."""
    metadata = claim.metadata.model_copy(update={"deletion_timestamp": NOW})
    return claim.model_copy(update={"metadata": metadata})


def deleting(seen: Observed) -> Observed:
    """The same look at a workspace that the user has deleted."""
    metadata = seen.workspace.metadata.model_copy(update={"deletion_timestamp": NOW})
    return replace(seen, workspace=seen.workspace.model_copy(update={"metadata": metadata}))
