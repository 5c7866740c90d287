"""The informers of the process, and who is woken by them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kaito.api import labels
from kaito.api.machine import MACHINES, Machine
from kaito.api.nodeclaim import NODECLAIMS, NodeClaim
from kaito.kube.controller import Controller
from kaito.kube.informer import Informer
from kaito.kube.kinds import NODES, Node
from kaito.kube.manager import Manager
from kaito.kube.objects import Ref
from kaito.kube.store import Store
from provisioner.controllers.machine.kinds import KINDS, MACHINE, Claim, ClaimKind
from provisioner.controllers.machine.order import instance_name

INSTANCE = "instance"
"""Index of claims and of nodes: the instance that they are about."""


@dataclass(frozen=True, slots=True)
class Caches:
    """The informers, read as the controllers want them.

    Attributes:
        machines: all of them, others' included.
        node_claims: all of them, others' included.
        node: all nodes.
    """

    machines: Informer[Machine]
    node_claims: Informer[NodeClaim]
    node: Informer[Node]

    @classmethod
    def of(cls, manager: Manager) -> Caches:
        """Register the informers."""
        return cls(
            machines=manager.informer(MACHINES, indexes={INSTANCE: _instance}, optional=True),
            node_claims=manager.informer(NODECLAIMS, indexes={INSTANCE: _instance}, optional=True),
            node=manager.informer(NODES, indexes={INSTANCE: _pool}),
        )

    def claim(self, kind: ClaimKind, ref: Ref) -> Claim | None:
        """A claim."""
        return self._store(kind).get(ref)

    def watch(self, kind: ClaimKind, controller: Controller) -> None:
        """Wake a controller for the claims of its Kind, and for their nodes."""
        if kind is MACHINE:
            controller.watch(self.machines, _self)
        else:
            controller.watch(self.node_claims, _self)
        store = self._store(kind)

        def refs(node: Node) -> Iterable[Ref]:
            return [claim.ref for pool in _pool(node) for claim in store.by_index(INSTANCE, pool)]

        controller.watch(self.node, refs)

    def nodes(self, instance: str) -> tuple[Node, ...]:
        """The nodes of an instance."""
        return self.node.store.by_index(INSTANCE, instance)

    def all_nodes(self) -> tuple[Node, ...]:
        """All nodes."""
        return self.node.store.list()

    def uids(self) -> frozenset[str]:
        """Uids of all claims of both Kinds."""
        claims = (*self.machines.store.list(), *self.node_claims.store.list())
        return frozenset(each.metadata.uid for each in claims)

    def ours(self) -> Iterable[tuple[ClaimKind, Claim]]:
        """Every claim that is ours to carry out, with its Kind."""
        return (
            (kind, claim)
            for kind in KINDS
            for claim in self._store(kind).list()
            if kind.owns(claim)
        )

    def _store(self, kind: ClaimKind) -> Store[Machine] | Store[NodeClaim]:
        return self.machines.store if kind is MACHINE else self.node_claims.store


def _self(claim: Claim) -> Iterable[Ref]:
    """A claim concerns itself."""
    return (claim.ref,)


def _instance(claim: Claim) -> Iterable[str]:
    """Index of claims: the instance that carries it out."""
    return (instance_name(claim),)


def _pool(node: Node) -> Iterable[str]:
    """Index of nodes: the agent pool, when both of AKS's labels agree on it."""
    pool = node.metadata.labels.get(labels.AGENT_POOL, "")
    return (pool,) if pool and node.metadata.labels.get(labels.AKS_AGENT_POOL) == pool else ()
