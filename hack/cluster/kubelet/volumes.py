"""The volumes of a pod as folders of this machine, and where a container mounts them.

`home`/run/pods/UID/volumes/NAME. ConfigMaps, Secrets, tokens and fields are written again
while the pod runs, when they change. An emptyDir of medium Memory is a plain folder as well:
containers of a pod share it, and bubblewrap has no tmpfs that two of them could share. A claim is
the folder of its PersistentVolume, which is of type hostPath, and is never made here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hack.cluster.kubelet import files
from hack.cluster.kubelet.bubblewrap import Bind
from hack.cluster.kubelet.environment import expanded
from hack.cluster.kubelet.fields import Place, Unresolvable, field, resource
from hack.cluster.kubelet.files import File
from hack.cluster.kubelet.objects import Objects
from hack.cluster.kubelet.pod import (
    ConfigMapSource,
    Container,
    DownwardSource,
    KeyToPath,
    Mount,
    Pod,
    ProjectedSource,
    Projection,
    SecretSource,
    TokenSource,
    Volume,
)
from hack.cluster.kubelet.quantity import parsed

DEFAULT_MODE = 0o644


class Volumes:
    """The volumes of one pod."""

    def __init__(self, folder: Path, objects: Objects) -> None:
        self._folder = folder
        self._objects = objects
        self._claimed: dict[str, Path] = {}

    async def write(self, pod: Pod, place: Place) -> None:
        """Bring all volumes up to date.

        Raises:
            Unresolvable: something that a volume names is missing, or its kind is unknown here.
        """
        for volume in pod.spec.volumes:
            try:
                await self._write_one(pod, place, volume)
            except Unresolvable as error:
                said = f'MountVolume.SetUp failed for volume "{volume.name}" : {error}'
                raise Unresolvable(said) from error

    def overfull(self, pod: Pod) -> str:
        """What a kubelet says when it ends a pod for an emptyDir that is too full; "" if none."""
        for volume in pod.spec.volumes:
            limit = volume.empty_dir.size_limit if volume.empty_dir else ""
            if limit and _held_bytes(self._folder / volume.name) > parsed(limit):
                return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{limit}". '
        return ""

    def binds(self, pod: Pod, container: Container, env: Mapping[str, str]) -> tuple[Bind, ...]:
        """What a container mounts, once the volumes are written.

        Raises:
            Unresolvable: a mount names a volume or a path in it that cannot be had.
        """
        by_name = {volume.name: volume for volume in pod.spec.volumes}
        return tuple(self._bind(by_name, mount, env) for mount in container.volume_mounts)

    async def _write_one(self, pod: Pod, place: Place, volume: Volume) -> None:
        folder = self._folder / volume.name
        if volume.empty_dir is not None:
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(0o777)
        elif volume.host_path is not None:
            _check_host_path(volume.host_path.path)
        elif volume.persistent_volume_claim is not None:
            name = volume.persistent_volume_claim.claim_name
            path = await self._objects.claimed(pod.metadata.namespace, name)
            if path is None:
                raise Unresolvable(f'claim "{name}" has no volume that this kubelet can mount')
            _check_host_path(path)
            self._claimed[volume.name] = Path(path)
        else:
            files.write(folder, await self._content(pod, place, volume))

    async def _content(self, pod: Pod, place: Place, volume: Volume) -> dict[str, File]:
        if volume.config_map is not None:
            return await self._config_map(pod, volume.config_map, volume.config_map.default_mode)
        if volume.secret is not None:
            return await self._secret(pod, volume.secret, volume.secret.default_mode)
        if volume.downward_api is not None:
            return _downward(pod, place, volume.downward_api, volume.downward_api.default_mode)
        if volume.projected is not None:
            return await self._projected(pod, place, volume.projected)
        raise Unresolvable(f'volume "{volume.name}" is of a kind that this kubelet cannot mount')

    async def _projected(self, pod: Pod, place: Place, source: ProjectedSource) -> dict[str, File]:
        merged: dict[str, File] = {}
        for part in source.sources:
            merged |= await self._part(pod, place, part, source.default_mode)
        return merged

    async def _part(
        self, pod: Pod, place: Place, part: Projection, mode: int | None
    ) -> dict[str, File]:
        if part.config_map is not None:
            return await self._config_map(pod, part.config_map, mode)
        if part.secret is not None:
            return await self._secret(pod, part.secret, mode)
        if part.downward_api is not None:
            return _downward(pod, place, part.downward_api, mode)
        if part.service_account_token is not None:
            return await self._token(pod, part.service_account_token, mode)
        raise Unresolvable("a projected volume has a source that this kubelet does not know")

    async def _config_map(
        self, pod: Pod, source: ConfigMapSource, mode: int | None
    ) -> dict[str, File]:
        data = await self._objects.config_map(pod.metadata.namespace, source.name)
        if data is None and not source.optional:
            raise Unresolvable(f'configmap "{source.name}" not found')
        return _selected(data or {}, source.items, mode, strict=not source.optional)

    async def _secret(self, pod: Pod, source: SecretSource, mode: int | None) -> dict[str, File]:
        name = source.secret_name or source.name
        data = await self._objects.secret(pod.metadata.namespace, name)
        if data is None and not source.optional:
            raise Unresolvable(f'secret "{name}" not found')
        return _selected(data or {}, source.items, mode, strict=not source.optional)

    async def _token(self, pod: Pod, source: TokenSource, mode: int | None) -> dict[str, File]:
        token = await self._objects.token(pod, source)
        return {source.path: File(token.encode(), _mode(mode))}

    def _bind(self, volumes: Mapping[str, Volume], mount: Mount, env: Mapping[str, str]) -> Bind:
        volume = volumes.get(mount.name)
        if volume is None:
            raise Unresolvable(f'there is no volume "{mount.name}"')
        source = self._source(volume)
        if volume.host_path is not None and not mount.read_only:
            raise Unresolvable(f'hostPath volume "{mount.name}" must be mounted read-only here')
        inner = mount.sub_path or expanded(mount.sub_path_expr, env)
        if inner:
            source = _inside(source, inner, creatable=volume.empty_dir is not None)
        return Bind(source, mount.mount_path, writable=_writable(volume, mount))

    def _source(self, volume: Volume) -> Path:
        if volume.persistent_volume_claim:
            return self._claimed[volume.name]
        return Path(volume.host_path.path) if volume.host_path else self._folder / volume.name


def _held_bytes(folder: Path) -> int:
    """The size of all files in a folder; one that goes meanwhile does not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(root) / name).lstat().st_size
    return total


def _check_host_path(path: str) -> None:
    if not Path(path).exists():
        raise Unresolvable(f"hostPath {path} does not exist")


def _writable(volume: Volume, mount: Mount) -> bool:
    """ConfigMaps and their like are read-only however they are mounted."""
    is_own = volume.empty_dir is not None or volume.persistent_volume_claim is not None
    return is_own and not mount.read_only


def _inside(source: Path, inner: str, *, creatable: bool) -> Path:
    """The path in a volume that `subPath` means; a folder is made in an emptyDir."""
    path = (source / inner).resolve()
    if not path.is_relative_to(source.resolve()):
        raise Unresolvable(f"subPath {inner!r} leaves its volume")
    if creatable:
        path.mkdir(parents=True, exist_ok=True) if not path.exists() else None
    elif not path.exists():
        raise Unresolvable(f"subPath {inner!r} does not exist in its volume")
    return path


def _selected(
    data: Mapping[str, bytes], items: tuple[KeyToPath, ...], mode: int | None, *, strict: bool
) -> dict[str, File]:
    """All keys, or those that `items` name."""
    if not items:
        return {key: File(content, _mode(mode)) for key, content in data.items()}
    missing = [item.key for item in items if item.key not in data]
    if missing and strict:
        raise Unresolvable(f"references non-existent config key: {missing[0]}")
    return {
        item.path: File(data[item.key], _mode(item.mode if item.mode is not None else mode))
        for item in items
        if item.key in data
    }


def _downward(pod: Pod, place: Place, source: DownwardSource, mode: int | None) -> dict[str, File]:
    written: dict[str, File] = {}
    for item in source.items:
        text = ""
        if item.field_ref is not None:
            text = field(pod, place, item.field_ref)
        elif item.resource_field_ref is not None:
            text = resource(pod, place, item.resource_field_ref)
        written[item.path] = File(
            text.encode(), _mode(item.mode if item.mode is not None else mode)
        )
    return written


def _mode(mode: int | None) -> int:
    return DEFAULT_MODE if mode is None else mode
