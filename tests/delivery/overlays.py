"""The overlays: what installs each, what it holds, and when a server is rid of it."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.bystander import Bystander, Json
from tests.delivery.pages import Block, block

MANIFESTS = Path(__file__).parents[2] / "manifests"
INSTALLED_BY = {
    "aks": "docs/guides/aks.md",
    "airgapped": "docs/guides/air-gapped.md",
    "byo": "docs/guides/own-nodes.md",
    "karpenter": "docs/guides/own-nodes.md",
    "local": "",
}
"""The guide whose line applies each overlay; the local one is hack/local's."""
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def rendered(server: Bystander, path: str) -> tuple[Json, ...]:
    """The objects of a kustomization."""
    built = await server.kubectl("kustomize", path)
    assert built.code == 0, built.errors
    return tuple(yaml.safe_load_all(built.output))


def installing(overlay: str) -> Block:
    """The line that a guide has a reader type for an overlay, which is applied as it is."""
    begins = f"kubectl apply -k manifests/overlays/{overlay}\n"
    page = INSTALLED_BY[overlay]
    return block(page, begins) if page else Block("hack/local", begins)


def filling() -> Block:
    """The lines that write what Azure has told into the overlay for AKS."""
    return block(INSTALLED_BY["aks"], "cat > ")


async def emptied(server: Bystander) -> bool:
    """Do the controller manager's part for namespaces: nothing is in them any more."""
    spaces = [
        each["metadata"]["name"]
        for each in await server.items("/api/v1/namespaces")
        if each["metadata"]["name"].startswith("kaito-")
    ]
    for name in spaces:
        body = json.dumps({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
        await server.kubectl(
            "replace", "--raw", f"/api/v1/namespaces/{name}/finalize", "-f", "-", stdin=body
        )
    return not spaces


async def is_bare(server: Bystander) -> bool:
    """Whether it has only its own Kinds: a definition outlives its deletion for a moment."""
    return not await server.items(DEFINITIONS)


async def is_served(server: Bystander) -> bool:
    """Whether each definition's Kind can be listed.

    A definition that is deleted earlier stays for minutes: the API server tries in a quick
    row to list what is left of the Kind, and then waits longer each time.
    """
    for each in await server.items(DEFINITIONS):
        (version,) = [one["name"] for one in each["spec"]["versions"] if one["storage"]]
        names = each["spec"]["names"]
        if not await server.get(f"/apis/{each['spec']['group']}/{version}/{names['plural']}"):
            return False
    return True
