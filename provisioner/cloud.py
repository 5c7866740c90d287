"""The seam to the cloud: an instance, what it takes to launch one, and three calls.

`launch` and `terminate` begin and return; what becomes of it is seen in `instances`, which is
one request for all of them. Nothing here waits for a machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from provisioner.failures import CloudError
from provisioner.turns import Turns

INSTANCE_NAME = re.compile(r"^[a-z][a-z0-9]{0,11}$")
"""What an instance may be called: the rule of Linux agent pools, the narrowest there is."""


INSTANCE_LIMIT = 100
"""Agent pools of one cluster, the system pool among them; AKS's own limit."""


class InstanceState(StrEnum):
    """How far an instance has come."""

    PENDING = "Pending"
    """An operation is under way that is not its deletion."""
    RUNNING = "Running"
    FAILED = "Failed"
    """The last operation failed or was canceled; machines may or may not exist."""
    DELETING = "Deleting"


@dataclass(frozen=True, slots=True)
class Owner:
    """The claim that an instance was launched for; travels with the instance as tags.

    Attributes:
        kind: "Machine" or "NodeClaim".
        name: of the claim.
        uid: of the claim: a recreated namesake is another claim.
        workspace: value of the claim's ownership label; "" when there is none.
    """

    kind: str
    name: str
    uid: str
    workspace: str = ""


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """What to launch: one machine.

    Attributes:
        name: matches `INSTANCE_NAME`.
        vm_size: e.g. "Standard_NC24ads_A100_v4".
        owner: the claim.
        created: when the launch was decided; the instance's age is counted from it.
        disk_gib: OS disk in GiB; None for the size's default.
        labels: that the node carries from its first second.
        taints: in the form "key=value:Effect".
        image_family: "ubuntu" or "azurelinux".
        spot: may be taken away by the cloud at any time, for a lower price.
        zones: availability zones to choose from; empty for no wish.
    """

    name: str
    vm_size: str
    owner: Owner
    created: datetime
    disk_gib: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    image_family: str = "ubuntu"
    spot: bool = False
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """What the cloud says of one instance.

    Attributes:
        name: unique in the cluster.
        state: how far it has come.
        phase: the cloud's own word for it, e.g. "Creating".
        vm_size: its size.
        labels: given to its node.
        tags: all of them, ours and others'.
        owner: the claim, read from the tags; None when it is not ours.
        created: when its launch was decided; None when it is not ours.
        failure: why it failed, where the cloud says so.
        capacity: what its node will report, as far as the cloud says.
        image: that its machine starts from; "" while that is not known.
    """

    name: str
    state: InstanceState
    phase: str = ""
    vm_size: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: Owner | None = None
    created: datetime | None = None
    failure: CloudError | None = None
    capacity: Mapping[str, str] = field(default_factory=dict)
    image: str = ""


class Cloud(Protocol):
    """Where machines come from.

    Attributes:
        turns: whose turn it is; asked before `launch` and `terminate`, and told by the cloud
            of each refusal for being one request too many.
    """

    turns: Turns

    async def launch(self, spec: InstanceSpec) -> None:
        """Begin to create an instance; never touches one that exists.

        Raises:
            InstanceExists: there is one of that name.
            CloudError: it was not accepted, or (CloudUnavailable) nobody knows.
        """
        ...

    async def terminate(self, name: str) -> None:
        """Begin to delete an instance; one that is not there is a success.

        Raises:
            CloudError: it was not accepted, or nobody knows.
        """
        ...

    async def instances(self) -> tuple[Instance, ...]:
        """Every instance of the cluster, others' included: one LIST, all pages.

        Raises:
            CloudError: also ClusterMissing when the cluster is not there.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
