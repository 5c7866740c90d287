"""Small objects under names that nobody has."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from kaito.api.machine import MACHINES
from kaito.kube.client import Client
from kaito.kube.objects import Ref
from tests.virtual.kinds import CONFIG_MAPS


def name() -> str:
    """A name that nobody has."""
    return f"n{uuid4().hex[:12]}"


def machine(name: str, **metadata: object) -> dict[str, Any]:
    """A small valid Machine."""
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"machineTemplateRef": {"name": "t"}, "requirements": []},
    }


def settings(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


async def wire(client: Client, ref: Ref) -> Any:
    """A ConfigMap or, without a namespace, a Machine, as the server has it."""
    resource = CONFIG_MAPS if ref.namespace else MACHINES
    return await client.request("GET", resource.path(ref))
