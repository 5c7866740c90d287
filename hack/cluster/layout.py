"""Where everything of one local cluster is: folders, files, addresses, ports, Azure identity.

A cluster has a *home* folder and a *slot*. The slot (0 to 15) moves its addresses, so that
several clusters share a machine. An address has two forms. The *nominal* one, 10.a.b.c,
stands in the API, because the API server refuses loopback addresses of pods. Bytes flow on
its *loopback* form, 127.a.b.c, and nothing is ever sent to the nominal one.

    nodes     10.{16+slot}.x.y    Services  127.{96+slot}.x.y (no second form)
    pods      10.{224+slot}.x.y   control plane, ARM  127.0.0.1
"""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

SUBSCRIPTION_ID = "00000000-0000-4000-8000-000000000001"
TENANT_ID = "00000000-0000-4000-8000-000000000002"
CLIENT_ID = "00000000-0000-4000-8000-000000000003"
RESOURCE_GROUP = "kaito-local"
CLUSTER_NAME = "kaito-local"
LOCATION = "local"
FEDERATED_SUBJECT = "system:serviceaccount:kaito-system:provisioner"
FEDERATED_AUDIENCE = "api://AzureADTokenExchange"
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc"
OPERATOR_NAMESPACE = "kaito-system"

NOMINAL = IPv4Network("10.0.0.0/8")
SLOT_COUNT = 16
KUBELET_PORT = 10250
ADVERTISED_ADDRESS = "10.250.0.1"
"""What the API server calls itself: nominal, and never dialled."""

LAST_NUMBER = 65534
"""Nodes and pods are numbered from 1; .0.0 and .255.255 of a range are left out."""

NODES_FROM, PODS_FROM, SERVICES_FROM = 16, 224, 96
"""Second octets of slot 0."""


def loopback(nominal: str) -> str:
    """The loopback form of a nominal address: 10.a.b.c becomes 127.a.b.c.

    Raises:
        ValueError: the address is not in 10.0.0.0/8.
    """
    if IPv4Address(nominal) not in NOMINAL:
        raise ValueError(f"{nominal} is no nominal address: those are in {NOMINAL}")
    return f"127.{nominal.removeprefix('10.')}"


class Ports(BaseModel):
    """Ports on 127.0.0.1, chosen free when the cluster starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    etcd: int
    etcd_peer: int
    api_server: int
    controller_manager: int
    scheduler: int
    arm: int
    registry: int


class Layout(BaseModel):
    """One local cluster; `layout.json` in its home holds the same fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slot: int = Field(ge=0, lt=SLOT_COUNT)
    home: Path
    """The cluster's state; removed by `hack/local down`."""
    repo: Path
    """The checkout that runs."""
    cache: Path
    """What is built or downloaded and outlives clusters."""
    ports: Ports

    @classmethod
    def load(cls, home: Path) -> Self:
        """Read the layout of the cluster that lives in `home`.

        Raises:
            FileNotFoundError: no cluster was started there.
        """
        return cls.model_validate_json((home / "layout.json").read_text())

    def save(self) -> None:
        """Write layout.json, in one step, so that no reader sees half of it."""
        self.home.mkdir(parents=True, exist_ok=True)
        scratch = self.home / "layout.json.new"
        scratch.write_text(self.model_dump_json(indent=2) + "\n")
        scratch.replace(self.home / "layout.json")

    # Addresses

    @property
    def api_url(self) -> str:
        """The API server, from this machine."""
        return f"https://127.0.0.1:{self.ports.api_server}"

    @property
    def arm_url(self) -> str:
        """The ARM server: its own CA signs its certificate."""
        return f"https://127.0.0.1:{self.ports.arm}"

    @property
    def service_cidr(self) -> str:
        """Range of cluster IPs: loopback addresses that the service proxy listens on."""
        return f"127.{SERVICES_FROM + self.slot}.0.0/16"

    @property
    def api_service_ip(self) -> str:
        """Cluster IP of the Service default/kubernetes: first of its range; port 443."""
        return f"127.{SERVICES_FROM + self.slot}.0.1"

    @property
    def node_prefix(self) -> str:
        """First two octets of the nominal node addresses, with the dot."""
        return f"10.{NODES_FROM + self.slot}."

    @property
    def pod_prefix(self) -> str:
        """First two octets of the nominal pod addresses, with the dot."""
        return f"10.{PODS_FROM + self.slot}."

    def node_address(self, number: int) -> str:
        """Nominal address of the node of that number, 1 to 65534."""
        return self.node_prefix + _last_octets(number)

    def pod_address(self, number: int) -> str:
        """Nominal address of the pod of that number, 1 to 65534."""
        return self.pod_prefix + _last_octets(number)

    # Credentials

    @property
    def pki(self) -> Path:
        """Folder of keys and certificates."""
        return self.home / "pki"

    @property
    def ca_certificate(self) -> Path:
        """CA of the API server, its clients, and the kubelet API."""
        return self.pki / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """Key of that CA."""
        return self.pki / "ca.key"

    @property
    def arm_ca_certificate(self) -> Path:
        """CA of the ARM server, which is not the cluster's."""
        return self.pki / "arm-ca.crt"

    @property
    def service_account_key(self) -> Path:
        """RSA key that signs ServiceAccount tokens (RS256)."""
        return self.pki / "sa.key"

    @property
    def service_account_public_key(self) -> Path:
        """The public half, by which the API server and the token endpoint check tokens."""
        return self.pki / "sa.pub"

    def certificate(self, name: str) -> Path:
        """Certificate of one party, e.g. "apiserver", "arm"."""
        return self.pki / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Private key of one party."""
        return self.pki / f"{name}.key"

    @property
    def admin_kubeconfig(self) -> Path:
        """For people: O=system:masters."""
        return self.home / "admin.kubeconfig"

    @property
    def exports(self) -> str:
        """The line with which a shell reaches the cluster, kubectl and its plug-in on PATH."""
        config, programs = shlex.quote(str(self.admin_kubeconfig)), shlex.quote(str(self.binaries))
        return f"export KUBECONFIG={config} PATH={programs}:$PATH"

    @property
    def node_kubeconfig(self) -> Path:
        """For the process kubelet and the service proxy: O=system:masters."""
        return self.home / "node.kubeconfig"

    # State

    @property
    def logs(self) -> Path:
        """One file a part, and those of containers."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Unix sockets, and pods/ with what the process kubelet keeps."""
        return self.home / "run"

    @property
    def egress_socket(self) -> Path:
        """Where the API server's egress selector finds the CONNECT proxy."""
        return self.run / "egress.sock"

    @property
    def arm(self) -> Path:
        """State of the ARM server: url, journal.jsonl, scenario.json."""
        return self.home / "arm"

    @property
    def etcd(self) -> Path:
        """Data of etcd."""
        return self.home / "etcd"

    # Programs

    @property
    def binaries(self) -> Path:
        """The control plane's programs and kubectl, each under its own name."""
        return self.home / "bin"

    @property
    def dev_python(self) -> Path:
        """Interpreter with the operator's packages."""
        return self.cache / "dev" / "bin" / "python"

    @property
    def inference_python(self) -> Path:
        """Interpreter with torch, transformers and the web server."""
        return self.cache / "inference" / "bin" / "python"


def _last_octets(number: int) -> str:
    if not 0 < number <= LAST_NUMBER:
        raise ValueError(f"number {number} is outside 1 to {LAST_NUMBER}")
    return f"{number >> 8}.{number & 255}"
