"""One consistent look at everything that a workspace's plan may depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import TypeVar, cast

from kaito.api import labels
from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog
from kaito.kube.kinds import Deployment, Job, Node, Pod, Service, StatefulSet
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.store import Store
from kaito.nodes.claim import Claim, claim_place, is_made_for
from kaito.nodes.selection import holder, is_held_by, is_ready, of_uid, wanted_traits
from kaito.nodes.selector import is_selected
from kaito.workloads.carrier import PLAIN_CARRIER, Carrier
from kaito.workloads.group import headless_name

T = TypeVar("T", bound=KubeObject)
A = TypeVar("A")

BY_WORKSPACE = "workspace"
"""Index of pods and claims by `namespace/name` of their workspace."""
BY_TRAIT = "trait"
"""Index of nodes by the words under which workspaces look for them, and of workspaces likewise."""
BY_NODE = "node"
"""Index of workspaces by the names of the nodes that they use."""
ENDED = ("Succeeded", "Failed")
"""Phases of a pod that has left its node."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator's settings say about rendering.

    Attributes:
        registry: registry of public model images, "" for none.
        node_class: GROUP/KIND/NAME of the class of new NodeClaims; "" asks by Machines, None for
            no node at all.
        node_lost_seconds: how long a node that was bought may be away before another follows.
        carrier: how pods reach registries and hubs.
    """

    registry: str
    node_class: str | None = ""
    node_lost_seconds: float = 600.0
    carrier: Carrier = PLAIN_CARRIER

    @property
    def buys(self) -> bool:
        """Whether nodes are asked for that the user does not bring."""
        return self.node_class is not None


@dataclass(frozen=True, slots=True)
class Observed:
    """The world as one workspace's plan may know it.

    Attributes:
        workspace: the object itself.
        now: time of the look.
        claims: Machines and NodeClaims made for this very workspace (by uid), by name.
        nodes: those that may serve it, and those that its pods are on.
        service: its Service, None when absent.
        deployment: its Deployment, None when absent.
        pods: its pods; a stray pod that carries its label is not.
        taken: names of nodes that carry the uid of another Workspace, or that it chose first.
        catalog: presets and SKUs.
        options: settings that shape what is rendered.
        is_cluster_alive: whether any node at all is ready.
        stateful_set: its StatefulSet, None when absent.
        headless: the Service that names the pods of that, None when absent.
        job: its Job, None when absent.
        preflights: pods that look at registries for it.
        complaints: why a pod that comes no further lacks volumes or a sandbox, by its name.
        is_addressed: whether its Service is being made at this moment, beside.
        strangers: Services under its name, and that of its headless one, which it has not made.
        given_back: uids of claims that we deleted for a node that the user brought.
        stripped: claims that have lost their uid: they keep their place, and are given back all
            the same.
    """

    workspace: Workspace
    now: datetime
    claims: tuple[Claim, ...]
    nodes: tuple[Node, ...]
    service: Service | None
    deployment: Deployment | None
    pods: tuple[Pod, ...]
    taken: frozenset[str]
    catalog: Catalog
    options: Options
    is_cluster_alive: bool = True
    stateful_set: StatefulSet | None = None
    headless: Service | None = None
    job: Job | None = None
    preflights: tuple[Pod, ...] = ()
    complaints: Mapping[str, str] = field(default_factory=dict)
    is_addressed: bool = False
    strangers: tuple[Service, ...] = ()
    given_back: frozenset[str] = frozenset()
    stripped: tuple[Claim, ...] = ()
    _answers: dict[object, object] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def answered(self, question: Callable[[Observed], A]) -> A:
        """What a pure function says of this look; it is asked once."""
        if question not in self._answers:
            self._answers[question] = question(self)
        return cast("A", self._answers[question])

    @property
    def workload(self) -> Deployment | StatefulSet | None:
        """What runs the pods; while one Kind follows the other, the one to stay need not be it."""
        return self.deployment or self.stateful_set


def once(question: Callable[[Observed], A]) -> Callable[[Observed], A]:
    """Have a pure function of a look keep its answer as long as the look is kept."""

    @wraps(question)
    def answer(seen: Observed) -> A:
        return seen.answered(question)

    return answer


@dataclass(frozen=True, slots=True)
class Stores:
    """The informers' stores that a look reads."""

    workspaces: Store[Workspace]
    machines: Store[Machine]
    node_claims: Store[NodeClaim]
    nodes: Store[Node]
    services: Store[Service]
    deployments: Store[Deployment]
    stateful_sets: Store[StatefulSet]
    jobs: Store[Job]
    pods: Store[Pod]
    preflights: Store[Pod] = field(default_factory=lambda: Store({BY_WORKSPACE: by_workspace}))

    def claims(self, ref: Ref) -> tuple[Claim, ...]:
        """Claims of both Kinds that carry a workspace's labels."""
        of = str(ref)
        return (
            *self.machines.by_index(BY_WORKSPACE, of),
            *self.node_claims.by_index(BY_WORKSPACE, of),
        )


def observe(
    stores: Stores,
    ref: Ref,
    *,
    now: datetime,
    catalog: Catalog,
    options: Options,
    is_addressed: bool = False,
) -> Observed | None:
    """Look at one workspace; None when it is gone."""
    workspace = stores.workspaces.get(ref)
    if workspace is None:
        return None
    pods = tuple(
        pod
        for pod in stores.pods.by_index(BY_WORKSPACE, str(ref))
        if _is_of(pod, workspace.metadata.name)
    )
    nodes = _nodes(workspace, pods, stores.nodes)
    made = [each for each in stores.claims(ref) if is_made_for(each, workspace.metadata.uid)]
    return Observed(
        workspace=workspace,
        now=now,
        claims=tuple(claim for claim in made if _is_marked(claim)),
        stripped=tuple(claim for claim in made if not _is_marked(claim)),
        nodes=nodes,
        service=_owned(stores.services.get(ref), workspace),
        deployment=_owned(stores.deployments.get(ref), workspace),
        pods=pods,
        taken=_taken(workspace, nodes, stores.workspaces, stores.pods),
        catalog=catalog,
        options=options,
        is_cluster_alive=_is_alive(nodes, stores.nodes),
        stateful_set=_owned(stores.stateful_sets.get(ref), workspace),
        headless=_owned(
            stores.services.get(Ref(ref.namespace, headless_name(workspace))), workspace
        ),
        job=_owned(stores.jobs.get(ref), workspace),
        preflights=tuple(
            pod
            for pod in stores.preflights.by_index(BY_WORKSPACE, str(ref))
            if _owned(pod, workspace)
        ),
        is_addressed=is_addressed,
        strangers=_strangers(workspace, stores.services),
    )


def orphans(stores: Stores, ref: Ref) -> tuple[Claim, ...]:
    """Claims made for a Workspace of this name that is not the one that is there now, if any."""
    workspace = stores.workspaces.get(ref)
    return tuple(
        claim
        for claim in stores.claims(ref)
        if not claim.is_deleting and (_is_marked(claim) or claim_place(claim)[0] >= 0)
        if workspace is None or not is_made_for(claim, workspace.metadata.uid)
    )


def workspace_of(obj: KubeObject) -> tuple[Ref, ...]:
    """The workspace that an object's labels name, if any.

    Claims are cluster-scoped and carry the workspace's namespace as a label.
    """
    found = obj.metadata.labels
    name = found.get(labels.WORKSPACE) or found.get(labels.PREFLIGHT)
    namespace = obj.metadata.namespace or found.get(labels.WORKSPACE_NAMESPACE)
    return (Ref(namespace, name),) if name and namespace else ()


def by_node(workspace: Workspace) -> tuple[str, ...]:
    """Index values of a workspace under `BY_NODE`."""
    return workspace.status.worker_nodes


def by_workspace(obj: KubeObject) -> tuple[str, ...]:
    """Index values of an object under `BY_WORKSPACE`."""
    return tuple(str(ref) for ref in workspace_of(obj))


def _is_marked(claim: Claim) -> bool:
    """Whether a claim says for whom it was made; the claims of others need not."""
    return labels.CREATED_FOR in claim.metadata.labels


def _owned(obj: T | None, workspace: Workspace) -> T | None:
    """Narrow to an object that belongs to `workspace`; a namesake of another owner is not ours."""
    if obj is None:
        return None
    owners = {owner.uid for owner in obj.metadata.owner_references}
    return obj if workspace.metadata.uid in owners else None


def _strangers(workspace: Workspace, services: Store[Service]) -> tuple[Service, ...]:
    """Services that have our names and are not ours; those of an earlier namesake go by itself."""
    name, namespace = workspace.metadata.name, workspace.metadata.namespace
    found = (services.get(Ref(namespace, each)) for each in (name, headless_name(workspace)))
    return tuple(
        one
        for one in found
        if one and not _owned(one, workspace) and one.metadata.labels.get(labels.WORKSPACE) != name
    )


def _is_of(pod: Pod, workspace_name: str) -> bool:
    """Whether the workspace's StatefulSet or Job made the pod, or its Deployment's ReplicaSet."""
    makers = ((owner.kind, owner.name) for owner in pod.metadata.owner_references)
    return any(
        (kind in ("StatefulSet", "Job") and name == workspace_name)
        or (kind == "ReplicaSet" and name.rpartition("-")[0] == workspace_name)
        for kind, name in makers
    )


def _nodes(workspace: Workspace, pods: Iterable[Pod], known: Store[Node]) -> tuple[Node, ...]:
    """Nodes that may serve a workspace, and those that its pods are on, by name."""
    on = (known.get(Ref("", pod.spec.node_name)) for pod in pods)
    candidates = (
        node for trait in wanted_traits(workspace) for node in known.by_index(BY_TRAIT, trait)
    )
    found = {node.ref: node for node in (*candidates, *on) if node}
    return tuple(found[ref] for ref in sorted(found))


def _is_alive(ours: tuple[Node, ...], known: Store[Node]) -> bool:
    """Whether any node is ready; where ours tell, the others are not looked at."""
    return not ours or any(map(is_ready, ours)) or any(map(is_ready, known.list()))


def _taken(
    workspace: Workspace, nodes: Iterable[Node], everybody: Store[Workspace], pods: Store[Pod]
) -> frozenset[str]:
    """Of these nodes, those that others use."""
    return frozenset(
        node.metadata.name
        for node in nodes
        if not is_held_by(workspace, node)
        if any(everybody.by_index(BY_TRAIT, of_uid(holder(node))))
        or _is_used(node, workspace, everybody, pods)
    )


def _is_used(
    node: Node, workspace: Workspace, everybody: Store[Workspace], pods: Store[Pod]
) -> bool:
    """Whether others say that they use a node; where two do, the older workspace has it.

    A workspace that lacks nodes still names those that it had: one that was given another label
    meanwhile is in use as long as a pod is there.
    """
    is_ours = node.metadata.name in workspace.status.worker_nodes
    return any(
        not is_ours or _age(other) < _age(workspace)
        for other in everybody.by_index(BY_NODE, node.metadata.name)
        if other.metadata.uid != workspace.metadata.uid
        if is_selected(other.resource.label_selector, node.metadata.labels)
        or any(_is_at(node, pod) for pod in pods.by_index(BY_WORKSPACE, str(other.ref)))
    )


def _is_at(node: Node, pod: Pod) -> bool:
    """Whether a pod is on a node, and has not ended."""
    return pod.spec.node_name == node.metadata.name and pod.status.phase not in ENDED


def _age(workspace: Workspace) -> tuple[str, str]:
    """Order of creation; the uid decides between equals."""
    created = workspace.metadata.creation_timestamp
    return (created.isoformat() if created else "", workspace.metadata.uid)
