"""What the containers of one pod share: its address, its folder, its volumes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.kubelet.bubblewrap import Bind, Sandbox
from hack.cluster.kubelet.environment import Sources, environment, expanded, names_used
from hack.cluster.kubelet.environment import service_links as links
from hack.cluster.kubelet.fields import Place
from hack.cluster.kubelet.host import Host
from hack.cluster.kubelet.images import Image, python_folders
from hack.cluster.kubelet.logs import log_folder
from hack.cluster.kubelet.pod import Container, Pod
from hack.cluster.kubelet.security import identity
from hack.cluster.kubelet.volumes import Volumes
from hack.cluster.layout import Layout, loopback

DOMAIN = "svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Launch:
    """One run of a container, ready to be started.

    Attributes:
        sandbox: what it sees.
        command: program and arguments.
        env: its whole environment.
        log: file of this run's output.
        message: file on this machine that it may write its last words to.
        image_id: which image it is.
    """

    sandbox: Sandbox
    command: tuple[str, ...]
    env: dict[str, str]
    log: Path
    message: Path
    image_id: str


class PodSandbox:
    """The place that a pod's containers live in.

    Attributes:
        host: the machine's means.
        pod: the newest version that is known.
        place: node and nominal addresses.
        changed: to be called when a container's view is another.
        volumes: of the pod.
    """

    def __init__(self, host: Host, pod: Pod, place: Place, changed: Callable[[], None]) -> None:
        self.host = host
        self.pod = pod
        self.place = place
        self.changed = changed
        self._folder = pod_folder(host.layout, pod.metadata.uid)
        self.volumes = Volumes(self._folder / "volumes", host.objects)

    @property
    def address(self) -> str:
        """The loopback address on which the pod's processes listen."""
        return loopback(self.place.pod_ip)

    @property
    def hostname(self) -> str:
        """What the pod's processes are told that their machine is called."""
        return self.pod.spec.hostname or self.pod.metadata.name

    async def prepare(self) -> None:
        """Write the volumes, and the files that every container gets.

        Raises:
            Unresolvable: a volume cannot be had yet.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "hosts").touch()
        self.write_names()
        (self._folder / "hostname").write_text(self.hostname + "\n")
        # No name server: a look-up fails at once instead of leaving the machine.
        (self._folder / "resolv.conf").write_text(
            f"search {self.pod.metadata.namespace}.{DOMAIN} {DOMAIN}\n"
        )
        await self.volumes.write(self.pod, self.place)

    def write_names(self) -> None:
        """Bring /etc/hosts up to date, once it is there."""
        hosts = self._folder / "hosts"
        if not hosts.exists():
            return
        own = _hosts(self.pod, self.hostname, self.address, self.host.layout.api_service_ip)
        text = (own + self.host.names.of(self.pod.metadata.namespace)).encode()
        # In place, for containers have this very file; shortened last, so that it is never empty.
        with hosts.open("r+b", buffering=0) as file:
            file.write(text)
            file.truncate()

    def remove(self) -> None:
        """Delete the pod's folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.host.objects.forget(self.pod.metadata.uid)

    def log(self, container: str, run: int) -> Path:
        """Log file of one run of a container."""
        meta = self.pod.metadata
        folder = log_folder(
            self.host.layout.logs,
            namespace=meta.namespace,
            pod=meta.name,
            uid=meta.uid,
            container=container,
        )
        return folder / f"{run}.log"

    async def launch(self, container: Container, image: Image, image_id: str, run: int) -> Launch:
        """Everything that a run of the container needs.

        Raises:
            Unresolvable: its variables, mounts or user cannot be had as the pod asks.
        """
        placed = image.placed(self._places())
        who = identity(self.pod, container, image.user)
        given = environment(self.pod, container, await self._sources(container))
        env = {**placed.env, "HOSTNAME": self.hostname, **given}
        message = self._folder / "containers" / container.name / f"{run}.message"
        message.parent.mkdir(parents=True, exist_ok=True)
        message.touch()
        message.chmod(0o666)
        binds = (
            *self._image_binds(placed),
            *self._own_binds(container, message),
            *self.volumes.binds(self.pod, container, given),
        )
        sandbox = Sandbox(
            hostname=self.hostname,
            uid=who.uid,
            gid=who.gid,
            binds=binds,
            workdir=container.working_dir or placed.workdir,
            read_only_root=container.security_context.read_only_root_filesystem,
        )
        words = (*(container.command or placed.entrypoint), *_arguments(container, placed))
        command = tuple(expanded(word, given) for word in words)
        return Launch(sandbox, command, env, self.log(container.name, run), message, image_id)

    def warn(self, reason: str, message: str) -> None:
        """Say that something went wrong, for people."""
        self.host.events.warn(self.pod, reason, message)

    def tell(self, reason: str, message: str) -> None:
        """Say that something went as it should, for people."""
        self.host.events.tell(self.pod, reason, message)

    def _places(self) -> dict[str, str]:
        layout = self.host.layout
        return {
            "repo": str(layout.repo),
            "cache": str(layout.cache),
            "home": str(layout.home),
            "pod_address": self.address,
        }

    def _image_binds(self, image: Image) -> tuple[Bind, ...]:
        folders = [folder for one in image.pythons for folder in python_folders(Path(one))]
        return (
            *(Bind(folder, str(folder)) for folder in dict.fromkeys(folders)),
            *(Bind(Path(here), inside) for inside, here in image.binds.items()),
        )

    def _own_binds(self, container: Container, message: Path) -> tuple[Bind, ...]:
        etc = ("hosts", "hostname", "resolv.conf")
        return (
            *(Bind(self._folder / name, f"/etc/{name}") for name in etc),
            Bind(message, container.termination_message_path, writable=True),
        )

    async def _sources(self, container: Container) -> Sources:
        namespace = self.pod.metadata.namespace
        objects = self.host.objects
        config_maps, secrets = names_used(container)
        maps = {name: await objects.config_map(namespace, name) for name in config_maps}
        hidden = {name: await objects.secret(namespace, name) for name in secrets}
        wanted = self.pod.spec.enable_service_links
        services = await objects.services(namespace) if wanted else ()
        return Sources(
            place=self.place,
            config_maps={name: _texts(data) for name, data in maps.items() if data is not None},
            secrets={name: _texts(data) for name, data in hidden.items() if data is not None},
            service_links=links(services, api_address=self.host.layout.api_service_ip),
        )


def pod_folder(layout: Layout, uid: str) -> Path:
    """Where a pod's volumes and small files are."""
    return layout.run / "pods" / uid


def _arguments(container: Container, image: Image) -> tuple[str, ...]:
    """A pod that names a command leaves the image's arguments out, as with any runtime."""
    if container.args or container.command:
        return container.args
    return image.cmd


def _texts(data: dict[str, bytes]) -> dict[str, str]:
    return {key: value.decode(errors="replace") for key, value in data.items()}


def _hosts(pod: Pod, hostname: str, address: str, api_address: str) -> str:
    """/etc/hosts: the pod itself, and the API server, for there is no name server."""
    names = [hostname]
    if pod.spec.subdomain:
        names.insert(0, f"{hostname}.{pod.spec.subdomain}.{pod.metadata.namespace}.{DOMAIN}")
    api = "kubernetes.default.svc"
    lines = [
        "127.0.0.1 localhost",
        f"{address} {' '.join(names)}",
        f"{api_address} {api} {api}.cluster.local kubernetes.default kubernetes",
    ]
    return "\n".join(lines) + "\n"
