"""NodeClaim (karpenter.sh/v1): the successor of Machine. Cluster-scoped."""

from __future__ import annotations

from pydantic import Field

from kaito.api.claim import ClaimSpec, ClaimStatus, Requirement
from kaito.api.definition import Column, Definition, Version
from kaito.api.schema import Conditions
from kaito.kube.objects import KubeModel, KubeObject
from kaito.kube.resource import Resource

LAUNCHED = "Launched"
REGISTERED = "Registered"
INITIALIZED = "Initialized"
READY = "Ready"

NODE_CLASS_GROUP = "kaito.sh"
NODE_CLASS_KIND = "KaitoNodeClass"


class NodeClassRef(KubeModel):
    """The class that says who provisions: ours is kaito.sh/KaitoNodeClass."""

    group: str = Field(pattern=r"^[^/]*$")
    kind: str = Field(min_length=1)
    name: str = Field(min_length=1)


class NodeClaimSpec(ClaimSpec):
    """What the node must be; immutable."""

    node_class_ref: NodeClassRef
    requirements: tuple[Requirement, ...] = Field(max_length=100)
    expire_after: str = Field(default="720h", pattern=r"^(([0-9]+(s|m|h))+|Never)$")
    termination_grace_period: str | None = Field(default=None, pattern=r"^([0-9]+(s|m|h))+$")


class NodeClaimStatus(ClaimStatus):
    """How far the node has come."""

    image_id: str = Field(default="", alias="imageID")
    conditions: Conditions = ()


class NodeClaim(KubeObject):
    """A request for one node, and what became of it."""

    spec: NodeClaimSpec = Field(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "spec is immutable"}
            ]
        }
    )
    status: NodeClaimStatus = NodeClaimStatus()


NODECLAIMS = Resource("karpenter.sh", "v1", "nodeclaims", "NodeClaim", NodeClaim, namespaced=False)

DEFINITION = Definition(
    resource=NODECLAIMS,
    categories=("karpenter",),
    versions=(
        Version(
            name="v1",
            columns=(
                Column("Type", r".metadata.labels.node\.kubernetes\.io/instance-type"),
                Column("Capacity", r".metadata.labels.karpenter\.sh/capacity-type"),
                Column("Zone", r".metadata.labels.topology\.kubernetes\.io/zone"),
                Column("Node", ".status.nodeName"),
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Age", ".metadata.creationTimestamp", type="date"),
                Column("ImageID", ".status.imageID", priority=1),
                Column("ID", ".status.providerID", priority=1),
                Column("NodePool", r".metadata.labels.karpenter\.sh/nodepool", priority=1),
                Column("NodeClass", ".spec.nodeClassRef.name", priority=1),
                Column("Drifted", '.status.conditions[?(@.type=="Drifted")].status', priority=1),
            ),
        ),
    ),
)
