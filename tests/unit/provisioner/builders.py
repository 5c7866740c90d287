"""Claims, nodes and instances as values, for tests."""

from __future__ import annotations

from datetime import UTC, datetime

from kaito.api.machine import Machine
from kaito.api.nodeclaim import NodeClaim
from kaito.kube.kinds import Node, Pod
from provisioner.cloud import Instance, InstanceState, Owner
from provisioner.controllers.machine.kinds import Claim, ClaimKind

BORN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAME = "ws0123456789"
UID = "11111111-2222-4333-8444-555555555555"
SIZE = "Standard_NC24ads_A100_v4"
PROVIDER_ID = "azure:///subscriptions/s/x/virtualMachines/0"


def claim(kind: ClaimKind, **changes: object) -> Claim:
    """A claim of that Kind for one GPU machine; `changes` are merged into its parts."""
    wire: dict[str, dict[str, object]] = {
        "metadata": {
            "name": NAME,
            "uid": UID,
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": BORN.isoformat(),
            "labels": {"kaito.sh/workspace": "phi", "apps": "phi-3"},
        },
        "spec": {
            "requirements": [
                {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [SIZE]}
            ],
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            "resources": {"requests": {"storage": "50Gi"}},
            "nodeClassRef": {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"},
        },
        "status": {},
    }
    for part, values in changes.items():
        wire[part] = {**wire[part], **values} if isinstance(values, dict) else wire[part]
    model = Machine if kind.name == "Machine" else NodeClaim
    return model.model_validate(wire)


def node(**changes: object) -> Node:
    """A node of that claim's instance, ready and with a GPU."""
    wire: dict[str, dict[str, object]] = {
        "metadata": {
            "name": f"aks-{NAME}-00000000-vmss000000",
            "uid": "node-uid",
            "resourceVersion": "7",
            "creationTimestamp": BORN.isoformat(),
            "labels": {
                "agentpool": NAME,
                "kubernetes.azure.com/agentpool": NAME,
                "node.kubernetes.io/instance-type": SIZE,
                "kaito.sh/machine-type": "gpu",
            },
        },
        "spec": {"providerID": PROVIDER_ID},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "capacity": {"cpu": "24", "nvidia.com/gpu": "1"},
            "allocatable": {"cpu": "24", "nvidia.com/gpu": "1"},
        },
    }
    for part, values in changes.items():
        wire[part] = {**wire[part], **values} if isinstance(values, dict) else wire[part]
    return Node.model_validate(wire)


def pod(name: str = "server-0", **changes: object) -> Pod:
    """A pod that runs on that node, of no owner."""
    wire: dict[str, dict[str, object]] = {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-of-{name}"},
        "spec": {"nodeName": node().metadata.name},
        "status": {"phase": "Running"},
    }
    for part, values in changes.items():
        wire[part] = {**wire[part], **values} if isinstance(values, dict) else wire[part]
    return Pod.model_validate(wire)


def owner(kind: str = "Machine", uid: str = UID) -> Owner:
    """The mark of that claim."""
    return Owner(kind=kind, name=NAME, uid=uid, workspace="phi")


def instance(
    state: InstanceState, *, of: Owner | None = None, name: str = NAME, born: datetime = BORN
) -> Instance:
    """An instance in that state; nobody's when `of` is None."""
    return Instance(
        name=name,
        state=state,
        phase=state.value,
        vm_size=SIZE,
        owner=of,
        created=born if of else None,
    )
