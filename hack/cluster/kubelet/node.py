"""One Node: registered, kept alive by its Lease and status, as long as its machine runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from hack.cluster.kubelet.host import Host
from hack.cluster.kubelet.machine import (
    PLUGIN,
    Machine,
    conditions,
    labels,
    node_manifest,
    node_status,
)
from kaito.kube.conditions import condition
from kaito.kube.errors import AlreadyExists, KubeError
from kaito.kube.kinds import LEASES, NODES, Node
from kaito.kube.objects import Manifest, Ref

log = structlog.get_logger()

LEASE_NAMESPACE = "kube-node-lease"
LEASE_DURATION_SECONDS = 40
RETRY_SECONDS = 0.5
HUNG = "local.kaito.sh/hung"
"""Annotation by which a test has a node fall silent: nothing renews its Lease while it is there."""
STRATEGIC = "application/strategic-merge-patch+json"


class NodeAgent:
    """What a kubelet does for its Node.

    It registers once, and only while nothing is being done to the pool: a pool that is being
    deleted gets no new Node. One that someone deletes comes back, as a real kubelet's, when this
    program is started again.
    """

    def __init__(self, host: Host, machine: Machine, *, version: str) -> None:
        self.machine = machine
        self._host = host
        self._version = version
        self._written_at = float("-inf")
        self._has_joined = False

    async def run(self) -> None:
        """Until cancelled: the Node itself is left as it is."""
        while True:
            try:
                await self._beat()
            except KubeError as error:
                log.warning("node.delayed", node=self.machine.name, error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await asyncio.sleep(self._host.pace.lease_seconds)

    async def _beat(self) -> None:
        node = await self._host.client.get(NODES, Ref("", self.machine.name))
        if node is None:
            if self._has_joined or not self.machine.is_settled:
                return
            node = await self._register()
        self._has_joined = True
        if HUNG in node.metadata.annotations:
            return
        age = time.monotonic() - self._written_at
        if self._is_mended(node) or age >= self._host.pace.status_seconds or not _is_ready(node):
            await self._write_status(node)
        await self._renew(node)

    def _is_mended(self, node: Node) -> bool:
        """Whether the device plugin has come just now."""
        if self.machine.has_plugin or PLUGIN not in node.metadata.annotations:
            return False
        self.machine = replace(self.machine, is_mended=True)
        return True

    async def _register(self) -> Node:
        manifest = node_manifest(
            self.machine, self._host.layout, version=self._version, now=datetime.now(UTC)
        )
        try:
            node = await self._host.client.create(NODES, manifest)
        except AlreadyExists:
            ref = Ref("", self.machine.name)
            patch = {"metadata": {"labels": labels(self.machine)}}
            return await self._host.client.merge_patch(NODES, ref, patch)
        log.info("node.registered", node=self.machine.name, pool=self.machine.instance.pool)
        await asyncio.sleep(self._host.pace.boot_seconds)
        return node

    async def _write_status(self, node: Node) -> None:
        status = node_status(
            self.machine,
            self._host.layout,
            version=self._version,
            conditions=conditions(node.status.conditions, datetime.now(UTC), ready=True),
        )
        path = NODES.path(Ref("", self.machine.name), subresource="status")
        await self._host.client.request(
            "PATCH", path, body={"status": status}, content_type=STRATEGIC
        )
        self._written_at = time.monotonic()

    async def _renew(self, node: Node) -> None:
        owner: Manifest = {
            "apiVersion": "v1",
            "kind": "Node",
            "name": self.machine.name,
            "uid": node.metadata.uid,
        }
        await self._host.client.apply(
            LEASES,
            {
                "metadata": {
                    "name": self.machine.name,
                    "namespace": LEASE_NAMESPACE,
                    "ownerReferences": [owner],
                },
                "spec": {
                    "holderIdentity": self.machine.name,
                    "leaseDurationSeconds": LEASE_DURATION_SECONDS,
                    "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                },
            },
        )


def _is_ready(node: Node) -> bool:
    ready = condition(node.status.conditions, "Ready")
    return ready is not None and ready.status == "True"
