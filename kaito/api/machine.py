"""Machine (karpenter.sh/v1alpha5): one node, asked for. Cluster-scoped."""

from __future__ import annotations

from kaito.api.claim import ClaimSpec, ClaimStatus, Kubelet, TemplateRef
from kaito.api.definition import Column, Definition, Version
from kaito.api.schema import KnativeConditions
from kaito.kube.objects import KubeObject
from kaito.kube.resource import Resource

LAUNCHED = "MachineLaunched"
REGISTERED = "MachineRegistered"
INITIALIZED = "MachineInitialized"
READY = "Ready"


class MachineSpec(ClaimSpec):
    """What the node must be."""

    machine_template_ref: TemplateRef | None = None
    kubelet: Kubelet | None = None


class MachineStatus(ClaimStatus):
    """How far the node has come."""

    conditions: KnativeConditions = ()


class Machine(KubeObject):
    """A request for one node, and what became of it."""

    spec: MachineSpec = MachineSpec()
    status: MachineStatus = MachineStatus()


MACHINES = Resource("karpenter.sh", "v1alpha5", "machines", "Machine", Machine, namespaced=False)

DEFINITION = Definition(
    resource=MACHINES,
    categories=("karpenter",),
    versions=(
        Version(
            name="v1alpha5",
            columns=(
                Column("Type", r".metadata.labels.node\.kubernetes\.io/instance-type"),
                Column("Zone", r".metadata.labels.topology\.kubernetes\.io/zone"),
                Column("Node", ".status.nodeName"),
                Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
                Column("Age", ".metadata.creationTimestamp", type="date"),
                Column("Capacity", r".metadata.labels.karpenter\.sh/capacity-type", priority=1),
                Column(
                    "Provisioner", r".metadata.labels.karpenter\.sh/provisioner-name", priority=1
                ),
                Column("Template", ".spec.machineTemplateRef.name", priority=1),
            ),
        ),
    ),
)
