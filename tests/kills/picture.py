"""What is left when all has come to rest, in words that do not change from one run to the next."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.bystander import Bystander, until
from tests.kills.surroundings import DEPLOYED, PODS, SERVICES, SETS

Json = Any

MACHINES = "/apis/karpenter.sh/v1alpha5/machines"
STILL_LOOKS = 6
"""Each some tenths of a second after the one before."""

PLACE = "kaito.sh/claim"
TYPE = "node.kubernetes.io/instance-type"


async def picture(cluster: Bystander, name: str) -> Json:
    """The Workspace, its claims, workload and Services, and what the cloud has."""
    found = await cluster.workspace(name)
    objects = {
        path: await cluster.items(path) for path in (MACHINES, SETS, DEPLOYED, SERVICES, PODS)
    }
    claims = [one for one in objects[MACHINES] if one["metadata"]["labels"]]
    uid = found["metadata"]["uid"] if found else "none"
    plain = {
        "workspace": _workspace(found) if found else None,
        "claims": sorted(_claim(one) for one in claims),
        "workloads": [_spec(one) for path in (SETS, DEPLOYED) for one in objects[path]],
        "services": sorted(
            (_spec(one) for one in objects[SERVICES] if one["metadata"]["name"] != "kubernetes"),
            key=json.dumps,
        ),
        "pods": len(objects[PODS]),
        "pools": sorted(pool["vmSize"] for pool in await cluster.pools()),
    }
    return json.loads(json.dumps(plain).replace(uid, "UID"))


async def at_rest(cluster: Bystander, name: str) -> Json:
    """The picture once it has stayed the same for some looks."""
    same: list[Json] = []

    async def is_still() -> bool:
        now = await picture(cluster, name)
        if now not in same:
            same.clear()
        same.append(now)
        return len(same) >= STILL_LOOKS

    await until("rest", is_still)
    return same[-1]


def _workspace(found: Json) -> Json:
    status = found["status"]
    return {
        "finalizers": found["metadata"]["finalizers"],
        "state": status.get("state"),
        "type": status.get("instanceType"),
        "observed": status["observedGeneration"] == found["metadata"]["generation"],
        "nodes": len(status["workerNodes"]),
        "attempts": [_attempt(one) for one in status.get("attempts", ())],
        "conditions": sorted(
            (one["type"], one["status"], one["reason"]) for one in status["conditions"]
        ),
    }


def _attempt(one: Json) -> Iterable[Json]:
    return one["ordinal"], one["attempt"], one["instanceType"], one["reason"]


def _claim(one: Json) -> tuple[str, str, bool, str]:
    """Its place, what it asks for, whether it stays, and whether it is ready."""
    asked = {each["key"]: each["values"] for each in one["spec"]["requirements"]}
    ready = [each["status"] for each in one["status"]["conditions"] if each["type"] == "Ready"]
    return (
        one["metadata"]["annotations"][PLACE],
        asked[TYPE][0],
        "deletionTimestamp" not in one["metadata"],
        "".join(ready),
    )


def _spec(one: Json) -> Json:
    """Name and spec, without the addresses that the API server draws.

    The hash of the spec is left out: a uid goes into it.
    """
    drawn = {"clusterIP", "clusterIPs"}
    spec = {key: value for key, value in one["spec"].items() if key not in drawn}
    return [one["metadata"]["name"], spec]
