"""Claims as people and other controllers write them, in wire form; no code under test is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

VM_SIZE = "Standard_NC6s_v3"


@dataclass(frozen=True)
class Kind:
    """One of the two Kinds of claim, as its users know it.

    Attributes:
        name: the Kind.
        path: of its collection.
        prefix: of the conditions that Ready depends on.
    """

    name: str
    path: str
    prefix: str

    def condition(self, name: str) -> str:
        """Type of the condition that a NodeClaim calls `name`."""
        return name if name == "Ready" else f"{self.prefix}{name}"

    def claim(self, name: str, *, vm_size: str = VM_SIZE, **spec: object) -> Mapping[str, object]:
        """A claim of ours, for one GPU machine."""
        wanted = {
            "requirements": [
                {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [vm_size]}
            ],
            "resources": {"requests": {"storage": "64Gi", "nvidia.com/gpu": "1"}},
            **spec,
        }
        if self is NODE_CLAIM:
            own = {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"}
            wanted = {"nodeClassRef": own, **wanted}
        return {
            "apiVersion": "karpenter.sh/v1alpha5" if self is MACHINE else "karpenter.sh/v1",
            "kind": self.name,
            "metadata": {"name": name, "labels": {"kaito.sh/workspace": f"of-{name}"}},
            "spec": wanted,
        }


MACHINE = Kind("Machine", "/apis/karpenter.sh/v1alpha5/machines", "Machine")
NODE_CLAIM = Kind("NodeClaim", "/apis/karpenter.sh/v1/nodeclaims", "")
KINDS = (MACHINE, NODE_CLAIM)


def manifest(*claims: Mapping[str, object]) -> str:
    """What `kubectl apply -f -` reads."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": claims})
