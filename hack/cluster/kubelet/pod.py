"""Pods as a kubelet reads them: the fields that decide how containers run.

Wider than `kaito.kube.kinds.Pod`, which holds what controllers read.
"""

from __future__ import annotations

from pydantic import Field

from kaito.kube.kinds import PodStatus
from kaito.kube.objects import KubeModel, KubeObject, ObjectMeta
from kaito.kube.resource import Resource


class KeySelector(KubeModel):
    """One key of a ConfigMap or Secret."""

    name: str = ""
    key: str
    optional: bool = False


class FieldSelector(KubeModel):
    """A field of the pod itself, e.g. "status.podIP" or "metadata.labels['app']"."""

    field_path: str


class ResourceSelector(KubeModel):
    """A container's own limit or request, e.g. "limits.memory", in units of `divisor`."""

    resource: str
    container_name: str = ""
    divisor: str = ""


class EnvSource(KubeModel):
    """Where a variable's value comes from: exactly one is set."""

    field_ref: FieldSelector | None = None
    resource_field_ref: ResourceSelector | None = None
    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None


class EnvVar(KubeModel):
    """One variable; `value` may refer to others as $(NAME)."""

    name: str
    value: str = ""
    value_from: EnvSource | None = None


class SourceRef(KubeModel):
    """A whole ConfigMap or Secret."""

    name: str = ""
    optional: bool = False


class EnvFrom(KubeModel):
    """All keys of a ConfigMap or Secret as variables."""

    prefix: str = ""
    config_map_ref: SourceRef | None = None
    secret_ref: SourceRef | None = None


class Mount(KubeModel):
    """A volume at a path of the container."""

    name: str
    mount_path: str
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False


class Header(KubeModel):
    """A header of a probe's request."""

    name: str
    value: str = ""


class HttpGet(KubeModel):
    """A request whose answer of 200 to 399 is a success."""

    path: str = "/"
    port: int | str
    host: str = ""
    scheme: str = "HTTP"
    http_headers: tuple[Header, ...] = ()


class TcpSocket(KubeModel):
    """A connection whose opening is a success."""

    port: int | str
    host: str = ""


class Exec(KubeModel):
    """A command in the container whose exit code 0 is a success."""

    command: tuple[str, ...] = ()


class Sleep(KubeModel):
    """A pause."""

    seconds: int = 0


class Handler(KubeModel):
    """What a hook does: exactly one is set."""

    exec: Exec | None = None
    http_get: HttpGet | None = None
    tcp_socket: TcpSocket | None = None
    sleep: Sleep | None = None


class Probe(Handler):
    """A check that is made again and again."""

    initial_delay_seconds: int = 0
    period_seconds: float = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class Lifecycle(KubeModel):
    """Hooks around a container's life."""

    post_start: Handler | None = None
    pre_stop: Handler | None = None


class Port(KubeModel):
    """A port with a name."""

    name: str = ""
    container_port: int
    protocol: str = "TCP"


class SecurityContext(KubeModel):
    """As whom a container runs; the container's own wins over the pod's."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool = False


class Requirements(KubeModel):
    """Quantities as strings. Nothing here enforces them."""

    limits: dict[str, str] = {}
    requests: dict[str, str] = {}


class Container(KubeModel):
    """One program of a pod."""

    name: str
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: tuple[Port, ...] = ()
    resources: Requirements = Requirements()
    volume_mounts: tuple[Mount, ...] = ()
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle = Lifecycle()
    restart_policy: str = ""
    """"Always" on an init container makes it a sidecar."""
    security_context: SecurityContext = SecurityContext()
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"


class KeyToPath(KubeModel):
    """Where one key goes in a volume."""

    key: str
    path: str
    mode: int | None = None


class DownwardFile(KubeModel):
    """A field of the pod as a file."""

    path: str
    field_ref: FieldSelector | None = None
    resource_field_ref: ResourceSelector | None = None
    mode: int | None = None


class ConfigMapSource(KubeModel):
    """Keys of a ConfigMap as files."""

    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False
    default_mode: int | None = None


class SecretSource(KubeModel):
    """Keys of a Secret as files: a volume says `secretName`, a projection `name`."""

    secret_name: str = ""
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool = False
    default_mode: int | None = None


class DownwardSource(KubeModel):
    """Fields of the pod as files."""

    items: tuple[DownwardFile, ...] = ()
    default_mode: int | None = None


class TokenSource(KubeModel):
    """A ServiceAccount token, renewed before it expires."""

    path: str
    audience: str = ""
    expiration_seconds: int = 3600


class Projection(KubeModel):
    """One part of a projected volume: exactly one is set."""

    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    downward_api: DownwardSource | None = Field(default=None, alias="downwardAPI")
    service_account_token: TokenSource | None = None


class ProjectedSource(KubeModel):
    """Several sources in one folder."""

    sources: tuple[Projection, ...] = ()
    default_mode: int | None = None


class EmptyDir(KubeModel):
    """A folder that lives as long as the pod."""

    medium: str = ""
    size_limit: str = ""


class HostPath(KubeModel):
    """A path of this machine."""

    path: str


class ClaimSource(KubeModel):
    """A PersistentVolumeClaim of the pod's namespace."""

    claim_name: str


class Volume(KubeModel):
    """A folder of the pod; of the sources exactly one is set, or none that we know."""

    name: str
    empty_dir: EmptyDir | None = None
    config_map: ConfigMapSource | None = None
    secret: SecretSource | None = None
    projected: ProjectedSource | None = None
    downward_api: DownwardSource | None = Field(default=None, alias="downwardAPI")
    host_path: HostPath | None = None
    persistent_volume_claim: ClaimSource | None = None


class ReadinessGate(KubeModel):
    """A condition that someone else sets, and that Ready waits for."""

    condition_type: str


class PodSpec(KubeModel):
    """What to run, and where."""

    node_name: str = ""
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    service_account_name: str = "default"
    enable_service_links: bool = True
    hostname: str = ""
    subdomain: str = ""
    host_network: bool = False
    security_context: SecurityContext = SecurityContext()
    readiness_gates: tuple[ReadinessGate, ...] = ()


class PodMetadata(ObjectMeta):
    """With what only a kubelet reads."""

    deletion_grace_period_seconds: int | None = None


class Pod(KubeObject):
    """Containers that run together on one node."""

    metadata: PodMetadata = Field(default_factory=PodMetadata)
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def is_finished(self) -> bool:
        """Whether all its containers have ended for good."""
        return self.status.phase in ("Succeeded", "Failed")


PODS = Resource("", "v1", "pods", "Pod", Pod)
