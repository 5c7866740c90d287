"""Built-in Kinds, narrowed to what the operator reads.

The wire writes initialisms in capitals ("podIP"), which no alias generator guesses:
those fields name their alias.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kaito.kube.objects import Condition, KubeModel, KubeObject
from kaito.kube.packed import Template
from kaito.kube.resource import Resource
from kaito.kube.sharing import Moment, Shared, Words


class Taint(KubeModel):
    """What keeps pods off a node."""

    key: str
    value: str = ""
    effect: str


class NodeSpec(KubeModel):
    """What the cloud and the administrator said about a node."""

    provider_id: str = Field(default="", alias="providerID")
    taints: tuple[Annotated[Taint, Shared], ...] = ()
    unschedulable: bool = False


class NodeStatus(KubeModel):
    """What the kubelet reports; quantities are strings such as "8" or "16Gi"."""

    conditions: tuple[Annotated[Condition, Shared], ...] = ()
    capacity: Words = {}
    allocatable: Words = {}


class Node(KubeObject):
    """A machine of the cluster."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ContainerWaiting(KubeModel):
    """A container that does not run yet, or not at this moment."""

    reason: str = ""
    message: str = ""


class ContainerRunning(KubeModel):
    """A container that runs."""

    started_at: Moment | None = None


class ContainerTerminated(KubeModel):
    """A container that has ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: Moment | None = None
    finished_at: Moment | None = None


class ContainerState(KubeModel):
    """One of three; the others are None."""

    waiting: ContainerWaiting | None = None
    running: ContainerRunning | None = None
    terminated: ContainerTerminated | None = None


class ContainerStatus(KubeModel):
    """What became of one container of a pod."""

    name: str
    image: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodSpec(KubeModel):
    """Where a pod was put."""

    node_name: str = ""


class PodStatus(KubeModel):
    """How a pod is doing."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Annotated[Condition, Shared], ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    pod_ip: str = Field(default="", alias="podIP")
    start_time: Moment | None = None


class Pod(KubeObject):
    """Containers that run together on one node."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class ReplicaSpec(KubeModel):
    """How many pods are wanted, and which; the template is kept as it is on the wire.

    A pod is available once it has been ready for `min_ready_seconds` on end.
    """

    replicas: int = 1
    min_ready_seconds: int = 0
    template: Template = Field(default_factory=dict)


class ReplicaStatus(KubeModel):
    """How many pods there are, for Deployment and StatefulSet alike."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    conditions: tuple[Annotated[Condition, Shared], ...] = ()


class Deployment(KubeObject):
    """Pods without an identity of their own."""

    spec: ReplicaSpec = ReplicaSpec()
    status: ReplicaStatus = ReplicaStatus()


class StatefulSet(KubeObject):
    """Pods with stable names."""

    spec: ReplicaSpec = ReplicaSpec()
    status: ReplicaStatus = ReplicaStatus()


class ServicePort(KubeModel):
    """One port of a Service."""

    name: str = ""
    protocol: str = "TCP"
    port: int
    target_port: int | str = 0
    node_port: int = 0


class ServiceSpec(KubeModel):
    """Where a Service is reached; `cluster_ip` is "None" when it is headless."""

    type: str = "ClusterIP"
    cluster_ip: str = Field(default="", alias="clusterIP")
    ports: tuple[Annotated[ServicePort, Shared], ...] = ()
    selector: Words = {}
    publish_not_ready_addresses: bool = False


class Service(KubeObject):
    """A stable address in front of pods."""

    spec: ServiceSpec = ServiceSpec()


class JobSpec(KubeModel):
    """How often a Job tries."""

    backoff_limit: int = 6
    suspend: bool = False


class JobStatus(KubeModel):
    """How far a Job has come; `conditions` says Complete or Failed at the end."""

    active: int = 0
    ready: int = 0
    succeeded: int = 0
    failed: int = 0
    start_time: Moment | None = None
    completion_time: Moment | None = None
    conditions: tuple[Annotated[Condition, Shared], ...] = ()


class Job(KubeObject):
    """Pods that run to an end."""

    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


class LeaseSpec(KubeModel):
    """Who holds a lease, and since when."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: Moment | None = None
    renew_time: Moment | None = None
    lease_transitions: int = 0


class Lease(KubeObject):
    """A claim on leadership, or a heartbeat."""

    spec: LeaseSpec = LeaseSpec()


NODES = Resource("", "v1", "nodes", "Node", Node, namespaced=False)
PODS = Resource("", "v1", "pods", "Pod", Pod)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", Deployment)
STATEFULSETS = Resource("apps", "v1", "statefulsets", "StatefulSet", StatefulSet)
SERVICES = Resource("", "v1", "services", "Service", Service)
JOBS = Resource("batch", "v1", "jobs", "Job", Job)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", Lease)
