"""What pods take from the API server: ConfigMaps, Secrets, volumes, Services and tokens."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import Field

from hack.cluster.kubelet.pod import HostPath, Pod, TokenSource
from kaito.kube.client import Client
from kaito.kube.kinds import SERVICES, Service
from kaito.kube.objects import KubeModel, KubeObject, Ref
from kaito.kube.resource import Resource

RENEW_AT = 0.8
"""Share of a token's life after which it is renewed, as kubelets do."""


class ConfigMap(KubeObject):
    """Plain settings; `binary_data` is base64 on the wire."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}


class Secret(KubeObject):
    """Settings that are not shown; values are base64 on the wire."""

    data: dict[str, str] = {}


class _ClaimSpec(KubeModel):
    volume_name: str = ""


class Claim(KubeObject):
    """What a namespace asks for, and the volume that it was given."""

    spec: _ClaimSpec = Field(default_factory=_ClaimSpec)


class _VolumeSpec(KubeModel):
    host_path: HostPath | None = None


class PersistentVolume(KubeObject):
    """A volume that outlives pods; here a folder that an administrator has named."""

    spec: _VolumeSpec = Field(default_factory=_VolumeSpec)


CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", ConfigMap)
SECRETS = Resource("", "v1", "secrets", "Secret", Secret)
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", Claim)
VOLUMES = Resource(
    "", "v1", "persistentvolumes", "PersistentVolume", PersistentVolume, namespaced=False
)


class _TokenStatus(KubeModel):
    token: str
    expiration_timestamp: datetime


class _TokenAnswer(KubeModel):
    status: _TokenStatus


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: datetime


class Objects:
    """Reads the objects that pods name; nothing but tokens is kept."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tokens: dict[tuple[str, str, int], _Token] = {}
        self._asking = asyncio.Lock()

    async def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Its keys and values, None when there is no such ConfigMap."""
        found = await self._client.get(CONFIG_MAPS, Ref(namespace, name))
        if found is None:
            return None
        texts = {key: value.encode() for key, value in found.data.items()}
        return texts | {key: base64.b64decode(one) for key, one in found.binary_data.items()}

    async def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Its keys and values, None when there is no such Secret."""
        found = await self._client.get(SECRETS, Ref(namespace, name))
        if found is None:
            return None
        return {key: base64.b64decode(value) for key, value in found.data.items()}

    async def claimed(self, namespace: str, name: str) -> str | None:
        """Path of the folder that a claim was given, None where it has none yet."""
        claim = await self._client.get(CLAIMS, Ref(namespace, name))
        if claim is None or not claim.spec.volume_name:
            return None
        volume = await self._client.get(VOLUMES, Ref("", claim.spec.volume_name))
        return volume.spec.host_path.path if volume and volume.spec.host_path else None

    async def services(self, namespace: str) -> tuple[Service, ...]:
        """All Services of a namespace."""
        return await self._client.list(SERVICES, namespace=namespace)

    async def token(self, pod: Pod, source: TokenSource) -> str:
        """A token of the pod's ServiceAccount, bound to the pod; renewed when it grows old."""
        key = (pod.metadata.uid, source.audience, source.expiration_seconds)
        async with self._asking:
            known = self._tokens.get(key)
            if known is None or datetime.now(UTC) >= known.renew_at:
                known = await self._requested(pod, source)
                self._tokens[key] = known
        return known.text

    def forget(self, uid: str) -> None:
        """The pod of that uid is gone, and its tokens with it."""
        self._tokens = {key: one for key, one in self._tokens.items() if key[0] != uid}

    async def _requested(self, pod: Pod, source: TokenSource) -> _Token:
        bound = {
            "kind": "Pod",
            "apiVersion": "v1",
            "name": pod.metadata.name,
            "uid": pod.metadata.uid,
        }
        spec: dict[str, object] = {
            "expirationSeconds": source.expiration_seconds,
            "boundObjectRef": bound,
        }
        if source.audience:
            spec["audiences"] = [source.audience]
        account = pod.spec.service_account_name
        asked_at = datetime.now(UTC)
        answer = await self._client.request(
            "POST",
            f"/api/v1/namespaces/{pod.metadata.namespace}/serviceaccounts/{account}/token",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": spec,
            },
        )
        given = _TokenAnswer.model_validate(answer).status
        life = min(
            given.expiration_timestamp - asked_at, timedelta(seconds=source.expiration_seconds)
        )
        return _Token(given.token, asked_at + RENEW_AT * life)
