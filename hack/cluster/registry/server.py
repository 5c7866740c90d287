"""The registry as a part of the cluster: its configuration, its accounts, its command line.

It listens on 127.0.0.1, which containers share, under a certificate of the cluster's own
authority. Pods find that authority in the ConfigMap `kube-root-ca.crt` of their namespace, as in
any cluster. Its log names every request, for tests to read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from hack.cluster.layout import Layout
from hack.cluster.process import Program

PROGRAM = "docker-registry"


@dataclass(frozen=True, slots=True)
class Account:
    """Who may pull and push.

    Attributes:
        user: name.
        password: as `docker login` takes it: no secret, as nothing but this machine reaches it.
        hashed: the same by bcrypt, the one form that the registry takes.
    """

    user: str
    password: str
    hashed: str


ACCOUNT = Account(
    "kaito", "kaito-local", "$2b$05$xcNrfY1slKSsYpQkEtZG2OC0iTSTV.wDpPkZoWqoW8Hr2xsX1FLsq"
)


def address(layout: Layout) -> str:
    """What references of images begin with, e.g. "127.0.0.1:20006"."""
    return f"127.0.0.1:{layout.ports.registry}"


def is_installed(layout: Layout) -> bool:
    """Whether this cluster has a registry."""
    return (layout.binaries / PROGRAM).exists()


def registry(layout: Layout) -> Program:
    """The registry, over the files that `furnish` has written."""
    folder = layout.home / "registry"
    command = (str(layout.binaries / PROGRAM), "serve", str(folder / "config.yml"))
    # Without a proxy in the environment, and no REGISTRY_ variable that would change a setting.
    return Program("registry", command, {"PATH": "/usr/bin:/bin"})


def furnish(layout: Layout) -> None:
    """Write its configuration (JSON is YAML as well) and its accounts into the cluster's home."""
    folder = layout.home / "registry"
    folder.mkdir()
    accounts = folder / "accounts"
    accounts.write_text(f"{ACCOUNT.user}:{ACCOUNT.hashed}\n")
    content = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
            # It would look for uploads that were left, at first after a random time.
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {
            "addr": address(layout),
            # It signs the state of uploads: one that lasts lets them outlive a restart.
            "secret": "kaito-local",
            "tls": {
                "certificate": str(layout.certificate("registry")),
                "key": str(layout.key("registry")),
            },
        },
        "auth": {"htpasswd": {"realm": "kaito-local", "path": str(accounts)}},
    }
    (folder / "config.yml").write_text(json.dumps(content, indent=2) + "\n")


def credentials(layout: Layout, *, password: str = ACCOUNT.password) -> str:
    """What a Secret of type kubernetes.io/dockerconfigjson holds, as `docker login` writes it."""
    account = {"username": ACCOUNT.user, "password": password}
    return json.dumps({"auths": {address(layout): account}})
