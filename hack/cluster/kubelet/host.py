"""What all pods of this machine share, and the paces of its work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import aiohttp

from hack.cluster.kubelet.images import Images
from hack.cluster.kubelet.names import Names
from hack.cluster.kubelet.objects import Objects
from hack.cluster.kubelet.pod import Pod
from hack.cluster.layout import Layout
from kaito.kube.client import Client


class Events(Protocol):
    """Tells people what happens to a pod; never blocks."""

    def warn(self, pod: Pod, reason: str, message: str) -> None:
        """Something went wrong."""
        ...

    def tell(self, pod: Pod, reason: str, message: str) -> None:
        """Something went as it should."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things are tried and refreshed, in seconds; the defaults are a kubelet's own.

    Attributes:
        restart_base_seconds: delay before the second restart of a container; it doubles.
        pull_base_seconds: delay before an image is looked up again; it doubles.
        cap_seconds: the longest of those delays.
        retry_seconds: before a failed mount or a missing ConfigMap is looked at again.
        refresh_seconds: between looks at changed volumes and old tokens.
        memory_seconds: between looks at memory, and at volumes, that have a limit.
        lease_seconds: between renewals of a node's Lease.
        status_seconds: between writes of a node's unchanged status.
        boot_seconds: between a node's registration and its first Ready.
        shutdown_seconds: that containers have when this process is told to end.
    """

    restart_base_seconds: float = 10.0
    pull_base_seconds: float = 10.0
    cap_seconds: float = 300.0
    retry_seconds: float = 2.0
    refresh_seconds: float = 60.0
    memory_seconds: float = 0.5
    lease_seconds: float = 10.0
    status_seconds: float = 300.0
    boot_seconds: float = 0.2
    shutdown_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Host:
    """The process kubelet's own means.

    Attributes:
        layout: of the cluster.
        client: with the rights of a node.
        objects: what pods take from the API server.
        images: the table.
        names: that pods know each other by.
        http: session for probes.
        events: for people.
        pace: how often.
    """

    layout: Layout
    client: Client
    objects: Objects
    images: Images
    names: Names
    http: aiohttp.ClientSession
    events: Events
    pace: Pace
