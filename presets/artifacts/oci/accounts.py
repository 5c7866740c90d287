"""Accounts out of pull secrets, as the kubelet reads them: mounted as files, never by the API.

A Secret of type kubernetes.io/dockerconfigjson is a folder with the file `.dockerconfigjson`. The
key of an account may be a host, a host with a path, or a URL; the longest that fits goes first.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from oci.reference import HUB, Reference
from oci.refusals import Denied

FILES = (".dockerconfigjson", ".dockercfg")
"""Keys of the two types of Secrets that the kubelet takes."""
_TYPE = "a Secret of type kubernetes.io/dockerconfigjson"


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks.

    Attributes:
        secret: name of the Secret that it is from.
        user: its name; may stand in a log.
        password: never may.
    """

    secret: str
    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """Value of an Authorization header."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def accounts_for(reference: Reference, secrets: Iterable[Path]) -> tuple[Account, ...]:
    """The accounts that fit a reference, the closest fit first.

    Args:
        reference: what they are for.
        secrets: folders of mounted Secrets, each named after its Secret.

    Raises:
        Denied: a Secret is missing, or is none of an account; the message names it.
    """
    found: list[tuple[int, Account]] = []
    for folder in secrets:
        for key, entry in _entries(folder).items():
            if (fit := _fit(key, reference)) and (account := _account(folder.name, entry)):
                found.append((fit, account))
    return tuple(account for _, account in sorted(found, key=lambda pair: -pair[0]))


def _entries(folder: Path) -> Mapping[str, object]:
    """Registries and their accounts in one Secret."""
    text = next(_texts(folder), None)
    if text is None:
        raise Denied(
            f"there is no Secret {folder.name} in the Workspace's namespace, or it has no key"
            f" {FILES[0]}",
            f"create it there as {_TYPE} (kubectl create secret docker-registry {folder.name} …)",
        )
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Denied(f"Secret {folder.name} holds no JSON object", f"make it {_TYPE}")
    entries = content.get("auths", content)
    return entries if isinstance(entries, dict) else {}


def _texts(folder: Path) -> Iterator[str]:
    for name in FILES:
        if (folder / name).is_file():
            yield (folder / name).read_text(encoding="utf-8")


def _fit(key: str, reference: Reference) -> int:
    """How well the key of an account fits: the length of what agrees, 0 for not at all."""
    plain = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = plain.partition("/")
    if path in ("v1", "v2"):
        path = ""
    wanted = {reference.host, reference.server}
    if reference.host == HUB:
        wanted.add(f"index.{HUB}")
    if not any(fnmatchcase(one, host) for one in wanted):
        return 0
    if path and not f"{reference.repository}/".startswith(f"{path}/"):
        return 0
    return 1 + len(path) + (0 if "*" in host else len(host))


def _account(secret: str, entry: object) -> Account | None:
    """One account; None where the entry names none."""
    if not isinstance(entry, dict):
        return None
    user, password = entry.get("username"), entry.get("password")
    if not (user and password) and isinstance(entry.get("auth"), str):
        try:
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
    return Account(secret, str(user), str(password)) if user and password else None
