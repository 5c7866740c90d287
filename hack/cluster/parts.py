"""The parts of a cluster: what each one is started with, and when it is ready.

first     etcd, ARM server, registry (where the cluster has one)
then      kube-apiserver
then      kube-controller-manager, kube-scheduler, addresses, kubelet
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial

from hack.cluster import controlplane
from hack.cluster.layout import Layout
from hack.cluster.probe import Probe, client_context
from hack.cluster.process import Program, Ready
from hack.cluster.registry.server import address, is_installed, registry

KUBELET_STOP_SECONDS = 30.0
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow the cloud and the nodes are.

    Attributes:
        provision_seconds: until an agent pool has succeeded.
        delete_seconds: until a deleted agent pool is gone.
        restart_seconds: delay before a container's second restart; it doubles.
    """

    provision_seconds: float = 3.0
    delete_seconds: float = 2.0
    restart_seconds: float = 10.0


USUAL = Pace()


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the cluster.

    Attributes:
        program: what it runs.
        ready: whether it does its work.
        address: where it listens, for people.
    """

    program: Program
    ready: Ready
    address: str


def waves(layout: Layout, pace: Pace) -> tuple[tuple[Part, ...], ...]:
    """All parts in the order of their start: a wave begins when the one before is ready."""
    ports = layout.ports
    api = Probe.as_admin(layout, ports.api_server)
    manager = Probe.as_admin(layout, ports.controller_manager)
    scheduler = Probe.as_admin(layout, ports.scheduler)
    return (
        (
            Part(
                controlplane.etcd(layout),
                partial(_etcd(layout).succeeds, "/health"),
                _at(ports.etcd),
            ),
            Part(_arm(layout, pace), partial(_exists, layout), _at(ports.arm)),
            *_registry(layout),
        ),
        (
            Part(
                controlplane.api_server(layout),
                partial(api.succeeds, "/readyz"),
                _at(ports.api_server),
            ),
            Part(_python(layout, "addresses"), partial(_listens, layout), layout.service_cidr),
        ),
        (
            Part(
                controlplane.controller_manager(layout),
                partial(manager.succeeds, "/healthz"),
                _at(ports.controller_manager),
            ),
            Part(
                controlplane.scheduler(layout),
                partial(scheduler.succeeds, "/healthz"),
                _at(ports.scheduler),
            ),
            Part(
                _kubelet(layout, pace), partial(_has_ready_node, api), f"{layout.node_prefix}0.0/16"
            ),
        ),
    )


def _registry(layout: Layout) -> tuple[Part, ...]:
    if not is_installed(layout):
        return ()
    probe = Probe.as_admin(layout, layout.ports.registry)
    return (Part(registry(layout), partial(probe.succeeds, "/"), address(layout)),)


def _arm(layout: Layout, pace: Pace) -> Program:
    return _python(
        layout,
        "arm",
        *("--host", "127.0.0.1", "--port", str(layout.ports.arm)),
        *("--certificate", str(layout.certificate("arm")), "--key", str(layout.key("arm"))),
        *("--issuer-key", str(layout.service_account_public_key)),
        *("--provision-seconds", str(pace.provision_seconds)),
        *("--delete-seconds", str(pace.delete_seconds)),
    )


def _kubelet(layout: Layout, pace: Pace) -> Program:
    program = _python(layout, "kubelet", "--restart-seconds", str(pace.restart_seconds))
    # It ends the containers first, each with a grace period.
    return Program(program.name, program.command, program.environment, KUBELET_STOP_SECONDS)


def _python(layout: Layout, name: str, *arguments: str) -> Program:
    environment = {
        "HOME": str(layout.run),
        "KAITO_CACHE": str(layout.cache),
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONPATH": str(layout.repo),
        "PYTHONUNBUFFERED": "1",
    }
    module = ("-m", f"hack.cluster.{name}", "--home", str(layout.home))
    return Program(name, (sys.executable, *module, *arguments), environment)


def _etcd(layout: Layout) -> Probe:
    party = layout.certificate("etcd-client"), layout.key("etcd-client")
    return Probe(layout.ports.etcd, client_context(layout.certificate("etcd-ca"), *party))


async def _exists(layout: Layout) -> bool:
    return (layout.arm / "url").exists()


async def _listens(layout: Layout) -> bool:
    return layout.egress_socket.exists()


async def _has_ready_node(api: Probe) -> bool:
    nodes = await api.json("/api/v1/nodes")
    items = nodes.get("items", []) if isinstance(nodes, dict) else []
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for node in items
        for condition in node.get("status", {}).get("conditions", [])
    )


def _at(port: int) -> str:
    return f"127.0.0.1:{port}"
