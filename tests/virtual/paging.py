"""Pages of a list: the token that asks for the next one."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from kaito.kube.transport import Call
from tests.virtual.kinds import Address


def question(call: Call, where: Address) -> str:
    """What a list is of: its pages are kept under this."""
    selectors = (call.params.get(name, "") for name in ("labelSelector", "fieldSelector"))
    return "|".join((where.kind.plural, where.namespace, *selectors))


def token(version: int, start: int) -> str:
    """What asks for the page that begins at `start`; made as the real server makes it."""
    said = {"v": "meta.k8s.io/v1", "rv": version, "start": str(start)}
    return urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def resumed(params: Mapping[str, str]) -> tuple[int, int] | None:
    """Version and place that a continue token stands for."""
    if not params.get("continue"):
        return None
    said = json.loads(urlsafe_b64decode(params["continue"] + "==="))
    return int(said["rv"]), int(said["start"])
