"""References of images, e.g. "myregistry.azurecr.io/team/adapter:0.0.1", read as the OCI says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from oci.refusals import Refused

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

HUB = "docker.io"
HUB_SERVER = "registry-1.docker.io"
"""Where the hub's registry listens; the name in references is another."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One image or artifact in a registry.

    Attributes:
        host: of the registry, with its port where it has one, as the reference names it.
        repository: path below it.
        tag: "" where only a digest is given.
        digest: "" where none is given; then what is pulled is checked against it.
    """

    host: str
    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; without tag and digest it is the tag "latest".

        Raises:
            Refused: it is none.
        """
        rest, at, digest = text.partition("@")
        first, slash, path = rest.partition("/")
        has_host = slash and ("." in first or ":" in first or first == "localhost")
        host, path = (first, path) if has_host else (HUB, rest)
        repository, colon, tag = path.partition(":")
        if host == HUB and "/" not in repository:
            repository = f"library/{repository}"
        if at and not _DIGEST.fullmatch(digest):
            raise _bad(text, f"{digest!r} is no sha256 digest")
        if colon and not _TAG.fullmatch(tag):
            raise _bad(text, f"{tag!r} is no tag")
        if not _HOST.fullmatch(host) or not _REPOSITORY.fullmatch(repository):
            raise _bad(text, "a repository is lower-case letters, digits and . _ - / between them")
        return cls(host, repository, tag or ("" if digest else "latest"), digest)

    @property
    def server(self) -> str:
        """Host and port that requests go to."""
        return HUB_SERVER if self.host in (HUB, f"index.{HUB}") else self.host

    @property
    def version(self) -> str:
        """What a manifest is asked for by: the digest, which is exact, else the tag."""
        return self.digest or self.tag

    def __str__(self) -> str:
        """The reference in full."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"


def _bad(text: str, why: str) -> Refused:
    return Refused(
        f"{text!r} is no reference of an image: {why}",
        "write it as HOST/REPOSITORY:TAG, for instance myregistry.azurecr.io/adapter:0.0.1",
    )
