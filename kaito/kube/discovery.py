"""What the API server says about which resources it serves.

A resource that is not served is not the same as a question that failed: only an answer of
discovery itself counts, never a refusal, a time-out or what a proxy says instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kaito.kube.client import Client
from kaito.kube.errors import NotFound
from kaito.kube.objects import KubeObject
from kaito.kube.resource import Resource


async def is_absent(client: Client, resource: Resource[KubeObject]) -> bool:
    """Whether discovery says that there is no such resource.

    Raises:
        KubeError: it did not answer, or refused to.
    """
    if not resource.group:
        return False
    try:
        served = await client.request("GET", f"/apis/{resource.api_version}")
    except NotFound:
        # A proxy's 404 looks the same: the list of all groups has to agree.
        return await _is_unlisted(client, resource)
    return _kind(served) == "APIResourceList" and resource.plural not in _names(served)


async def _is_unlisted(client: Client, resource: Resource[KubeObject]) -> bool:
    """Whether the list of groups has no such version of the group."""
    groups = await client.request("GET", "/apis")
    if _kind(groups) != "APIGroupList":
        return False
    versions = {
        version.get("groupVersion")
        for group in _maps(groups, "groups")
        for version in _maps(group, "versions")
    }
    return resource.api_version not in versions


def _kind(answer: object) -> object:
    return answer.get("kind") if isinstance(answer, Mapping) else None


def _names(answer: object) -> set[object]:
    return {each.get("name") for each in _maps(answer, "resources")}


def _maps(answer: object, key: str) -> Iterable[Mapping[str, object]]:
    """The objects in a list of an answer, whatever else is in it."""
    found = answer.get(key) if isinstance(answer, Mapping) else None
    listed = found if isinstance(found, list) else []
    return [each for each in listed if isinstance(each, Mapping)]
