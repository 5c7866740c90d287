"""The program that carries artifacts between registries and volumes, as pods run it.

Its contract is presets/artifacts/README.md. Pull secrets are mounted as files, optional ones, so
that the program itself can say which one is missing; the operator reads none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kaito.kube.objects import Manifest
from kaito.workloads.revision import revision
from kaito.workloads.security import USER

PROGRAM = ("python", "/workspace/artifacts/artifacts.py")
FLAG = "--item="
"""What names an item on the program's command line."""
SECRETS = "/var/run/secrets/registries"
PULL_KEYS = (".dockerconfigjson", ".dockercfg")
"""Keys of the two types of pull secrets; whatever else a Secret holds is not mounted."""
HUB_KEY = "HF_TOKEN"
"""Key of the Secret that `presetOptions.modelAccessSecret` names; of a model's no other is."""
CA_FOLDER = "/etc/kaito/ca"
CA_FILE = f"{CA_FOLDER}/ca.crt"
_SCRATCH = "/tmp"


@dataclass(frozen=True, slots=True)
class Carrier:
    """How registries and hubs are reached from the pods of workspaces.

    Attributes:
        image: of the program.
        ca_bundle: ConfigMap in a workspace's namespace whose key `ca.crt` holds further
            authorities; "" for none.
        environment: variables for whatever calls a registry or a hub: proxies, the hub's address.
    """

    image: str = "kaito-artifacts"
    ca_bundle: str = ""
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def is_offline(self) -> bool:
        """Whether no pod may ask a hub."""
        return ("HF_HUB_OFFLINE", "1") in self.environment

    @property
    def variables(self) -> list[Manifest]:
        """The same variables as a container has them."""
        return [{"name": name, "value": value} for name, value in self.environment]


PLAIN_CARRIER = Carrier()
"""Without a proxy, and with the usual authorities."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to carry or to check.

    Attributes:
        field: where the Workspace names it; every message begins with it.
        kind: "adapter", "data", "image", "model", "push" or "url".
        image: its reference; "" where it is a folder or an address.
        folder: where it lies already.
        url: its address.
        name: of an adapter.
        strength: of an adapter.
        secrets: names of its pull secrets.
    """

    field: str
    kind: str
    image: str = ""
    folder: str = ""
    url: str = ""
    name: str = ""
    strength: float = 1.0
    secrets: tuple[str, ...] = ()

    def flag(self) -> str:
        """How the program is told of it; what is not set is left out."""
        known = {
            "field": self.field,
            "kind": self.kind,
            "image": self.image,
            "folder": self.folder,
            "url": self.url,
            "name": self.name,
            "strength": self.strength if self.kind == "adapter" else None,
            "secrets": list(self.secrets),
        }
        kept = {key: value for key, value in known.items() if value not in ("", None, [])}
        return f"{FLAG}{json.dumps(kept, separators=(',', ':'))}"


def carrying(
    carrier: Carrier, name: str, verb: Sequence[str], items: Sequence[Item], *mounts: Manifest
) -> Manifest:
    """A container that carries or checks items.

    Args:
        carrier: the program.
        name: of the container.
        verb: with its own flags.
        items: what it is about.
        mounts: of volumes beside the program's own.
    """
    bundle = [f"--ca-bundle={CA_FILE}"] if carrier.ca_bundle else []
    return {
        "name": name,
        "image": carrier.image,
        "command": [*PROGRAM, *verb, *bundle, *(item.flag() for item in items)],
        "env": carrier.variables,
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"memory": "4Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
        },
        "volumeMounts": [
            {"name": "carrier-scratch", "mountPath": _SCRATCH},
            *carrier_mounts(carrier, items),
            *mounts,
        ],
    }


def carrier_volumes(carrier: Carrier, items: Iterable[Item]) -> list[Manifest]:
    """Volumes that a pod needs for `carrying` these items."""
    volumes: list[Manifest] = [{"name": "carrier-scratch", "emptyDir": {}}]
    if carrier.ca_bundle:
        source = {"name": carrier.ca_bundle, "optional": True}
        volumes.append({"name": "ca-bundle", "configMap": source})
    items = tuple(items)
    for secret in _secrets(items):
        keys = [{"key": key, "path": key} for key in _keys(secret, items)]
        source = {"secretName": secret, "optional": True, "defaultMode": 0o444, "items": keys}
        volumes.append({"name": _volume(secret), "secret": source})
    return volumes


def carrier_mounts(carrier: Carrier, items: Iterable[Item]) -> list[Manifest]:
    """Where authorities and pull secrets are seen, by whoever asks registries for these items."""
    bundle: list[Manifest] = [{"name": "ca-bundle", "mountPath": CA_FOLDER, "readOnly": True}]
    return [
        *(bundle if carrier.ca_bundle else ()),
        *(
            {"name": _volume(secret), "mountPath": f"{SECRETS}/{secret}", "readOnly": True}
            for secret in _secrets(items)
        ),
    ]


def _secrets(items: Iterable[Item]) -> list[str]:
    """Names of all pull secrets, each once."""
    return list(dict.fromkeys(secret for item in items for secret in item.secrets))


def _keys(secret: str, items: Iterable[Item]) -> list[str]:
    """What is mounted of a Secret, for all that it opens."""
    kinds = {item.kind for item in items if secret in item.secrets}
    pulled, fetched = kinds - {"model"}, kinds & {"model"}
    return [*(PULL_KEYS if pulled else ()), *((HUB_KEY,) if fetched else ())]


def _volume(secret: str) -> str:
    """Name of the volume of a Secret, whose own name may hold dots and be longer."""
    return f"registry-{revision({'secret': secret})}"
