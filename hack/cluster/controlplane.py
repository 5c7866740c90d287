"""Command lines of etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

They are those of a real cluster: TLS and RBAC on, etcd behind certificates of its own. What
differs is said at the flag. Everything listens on 127.0.0.1 and a port chosen free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import audit
from hack.cluster.layout import ADVERTISED_ADDRESS, SERVICE_ACCOUNT_ISSUER, Layout
from hack.cluster.process import Program

Flags = Mapping[str, object]


def etcd(layout: Layout) -> Program:
    """The store. It need not survive a crash of the machine, so it never syncs to disk."""
    clients = f"https://127.0.0.1:{layout.ports.etcd}"
    peers = f"https://127.0.0.1:{layout.ports.etcd_peer}"
    tls = {
        "cert-file": layout.certificate("etcd"),
        "key-file": layout.key("etcd"),
        "client-cert-auth": "true",
        "trusted-ca-file": layout.certificate("etcd-ca"),
    }
    flags = {
        "name": "local",
        "data-dir": layout.etcd,
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"local={peers}",
        "unsafe-no-fsync": "true",
        "log-level": "warn",
        **tls,
        **{f"peer-{name}": value for name, value in tls.items()},
    }
    return _program(layout, "etcd", flags)


def api_server(layout: Layout) -> Program:
    """The API server; it reaches nodes, pods and Services through the CONNECT proxy only."""
    flags = {
        "etcd-servers": f"https://127.0.0.1:{layout.ports.etcd}",
        "etcd-cafile": layout.certificate("etcd-ca"),
        "etcd-certfile": layout.certificate("etcd-client"),
        "etcd-keyfile": layout.key("etcd-client"),
        "bind-address": "127.0.0.1",
        "secure-port": layout.ports.api_server,
        # A loopback address makes the endpoints of default/kubernetes invalid.
        "advertise-address": ADVERTISED_ADDRESS,
        "tls-cert-file": layout.certificate("apiserver"),
        "tls-private-key-file": layout.key("apiserver"),
        "client-ca-file": layout.ca_certificate,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "service-account-issuer": SERVICE_ACCOUNT_ISSUER,
        "service-account-key-file": layout.service_account_public_key,
        "service-account-signing-key-file": layout.service_account_key,
        "service-cluster-ip-range": layout.service_cidr,
        "egress-selector-config-file": egress_configuration(layout),
        # Any other type may be looked up in DNS first, and so leave this machine.
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-client-certificate": layout.certificate("apiserver-kubelet-client"),
        "kubelet-client-key": layout.key("apiserver-kubelet-client"),
        "kubelet-certificate-authority": layout.ca_certificate,
        "allow-privileged": "true",
        "profiling": "false",
        **audit.flags(layout),
    }
    return _program(layout, "kube-apiserver", flags)


def controller_manager(layout: Layout) -> Program:
    """The built-in controllers; the only replica, so nobody is elected."""
    flags = {
        **_component(layout, "controller-manager", layout.ports.controller_manager),
        "use-service-account-credentials": "true",
        "service-account-private-key-file": layout.service_account_key,
        "root-ca-file": layout.ca_certificate,
        "cluster-signing-cert-file": layout.ca_certificate,
        "cluster-signing-key-file": layout.ca_key,
        # At its own 20 requests a second, the taints of ninety new nodes take 20 s to go.
        "kube-api-qps": 200,
        "kube-api-burst": 400,
        # A Node that is looked at before it is ready keeps a taint until the next look.
        "node-monitor-period": "1s",
    }
    return _program(layout, "kube-controller-manager", flags)


def scheduler(layout: Layout) -> Program:
    """The scheduler; the only replica."""
    return _program(
        layout, "kube-scheduler", _component(layout, "scheduler", layout.ports.scheduler)
    )


def egress_configuration(layout: Layout) -> Path:
    """Path of the API server's egress selector configuration."""
    return layout.home / "egress.json"


def write_egress_configuration(layout: Layout) -> None:
    """Point the API server at the CONNECT proxy's socket (JSON is YAML as well).

    A TCP address would pass validation here and then make the API server panic.
    """
    transport = {"uds": {"udsName": str(layout.egress_socket)}}
    connection = {"proxyProtocol": "HTTPConnect", "transport": transport}
    content = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
    egress_configuration(layout).write_text(json.dumps(content, indent=2) + "\n")


def _component(layout: Layout, name: str, port: int) -> Flags:
    kubeconfig = layout.home / f"{name}.kubeconfig"
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": "127.0.0.1",
        "secure-port": port,
        "tls-cert-file": layout.certificate(name),
        "tls-private-key-file": layout.key(name),
        "client-ca-file": layout.ca_certificate,
        "leader-elect": "false",
        "profiling": "false",
    }


def _program(layout: Layout, name: str, flags: Flags) -> Program:
    words = tuple(f"--{flag}={value}" for flag, value in flags.items())
    # Without a home or a proxy in the environment: nothing of the user's leaks in.
    return Program(name, (str(layout.binaries / name), *words), {"PATH": "/usr/bin:/bin"})
