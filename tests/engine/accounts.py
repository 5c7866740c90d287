"""ServiceAccounts: what they may do, and tokens that are good until something is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from kaito.kube.client import Client
from tests.bystander import until

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
SECRETS = "/api/v1/namespaces/default/secrets"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
WITNESSES = 8
SIGN_IN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Account:
    """One ServiceAccount in the namespace `default`.

    Attributes:
        admin: who may change it.
        name: its name, and that of what belongs to it.
    """

    admin: Client
    name: str

    async def make(self) -> None:
        """Create it; it may do nothing yet."""
        await self.admin.request("POST", ACCOUNTS, body={"metadata": {"name": self.name}})

    async def allow(self) -> None:
        """Let it do everything."""
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": "default"}
        role = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": "cluster-admin"}
        body = {"metadata": {"name": self.name}, "subjects": [subject], "roleRef": role}
        await self.admin.request("POST", BINDINGS, body=body)
        await until("it to be allowed", self._is_allowed)

    async def forbid(self) -> None:
        """Let it do nothing any more."""
        await self.admin.request("DELETE", f"{BINDINGS}/{self.name}")

        async def forbidden() -> bool:
            return not await self._is_allowed()

        await until("it to be forbidden", forbidden)

    async def token(self, seal: str) -> str:
        """A token that is good for ten minutes, or until `break_seal`."""
        name = f"{self.name}-{seal}"
        await self.admin.request("POST", SECRETS, body={"metadata": {"name": name}})
        return await self._sealed(name)

    async def break_seal(self, seal: str) -> None:
        """Have the server refuse the token of that seal; one it has let in, within ten seconds."""
        name = f"{self.name}-{seal}"
        # Others than the token itself: what the server has let in it remembers for those seconds.
        witnesses = cycle([await self._sealed(name) for _ in range(WITNESSES)])
        await self.admin.request("DELETE", f"{SECRETS}/{name}")

        async def refused() -> bool:
            body = {"spec": {"token": next(witnesses)}}
            answer: Any = await self.admin.request("POST", SIGN_IN_REVIEWS, body=body)
            return not answer["status"].get("authenticated")

        await until("the seal to be missed", refused)

    async def _sealed(self, name: str) -> str:
        """A token bound to that Secret."""
        kept: Any = await self.admin.request("GET", f"{SECRETS}/{name}")
        bound = {"kind": "Secret", "apiVersion": "v1", "name": name, "uid": kept["metadata"]["uid"]}
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 600, "boundObjectRef": bound},
        }
        answer: Any = await self.admin.request("POST", f"{ACCOUNTS}/{self.name}/token", body=body)
        return str(answer["status"]["token"])

    async def _is_allowed(self) -> bool:
        """What the server decides, which hears of bindings a moment later."""
        wanted = {"namespace": "default", "verb": "list", "resource": "configmaps"}
        user = f"system:serviceaccount:default:{self.name}"
        body = {"spec": {"user": user, "resourceAttributes": wanted}}
        answer: Any = await self.admin.request("POST", ACCESS_REVIEWS, body=body)
        return bool(answer["status"]["allowed"])


def kubeconfig(folder: Path, url: str) -> tuple[Path, Path]:
    """Paths of a kubeconfig and of the token file that it names, which is yet to be written."""
    token, path = folder / "token", folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": url}}],
        "users": [{"name": "one", "user": {"tokenFile": str(token)}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path, token


def store(path: Path, token: str) -> None:
    """Write a token as it is mounted into a pod."""
    path.write_text(f"{token}\n")
