"""What the tests do with Flux: apply the guide's Kustomizations, shorten them, and look at them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests import rights
from tests.bystander import Bystander, Json, condition, holds, quick_start, until
from tests.flux.ground import FLUX
from tests.flux.repository import NAMESPACE, Repository

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "gitops.md"
KUSTOMIZATIONS = f"/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{NAMESPACE}/kustomizations"
Place = tuple[str, str, str]
"""Group, namespace and name of an object."""
WRITES = frozenset({"create", "update", "patch", "delete"})


def of_the_guide(name: str) -> Json:
    """A Kustomization as it stands in docs/guides/gitops.md."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    objects = [each for block in blocks for each in yaml.safe_load_all(block)]
    return next(each for each in objects if each["metadata"]["name"] == name)


def workspace(name: str, **changes: object) -> bytes:
    """A Workspace as it stands in the repository, with a label of the team."""
    wire = json.loads(quick_start(name, **changes))
    wire["metadata"] |= {"namespace": "default", "labels": {"team": "models"}}
    wire["resource"]["labelSelector"] = {"matchLabels": {"apps": name}}
    return json.dumps(wire).encode()


@dataclass(frozen=True)
class Stage:
    """A cluster with Flux, and the repository that it follows.

    Attributes:
        cluster: seen from outside.
        repository: what is pushed to it is applied.
    """

    cluster: Bystander
    repository: Repository

    async def follow(self, name: str, like: str = "", **changes: object) -> None:
        """Apply a Kustomization of the guide, or one of another name with its spec changed."""
        wire = of_the_guide(like or name)
        wire["metadata"]["name"] = name
        wire["spec"] |= changes
        applied = await self.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wire))
        assert applied.code == 0, applied.errors

    async def change(self, name: str, **changes: object) -> None:
        """Change fields of a Kustomization's spec, and wait until Flux goes by them."""
        patched = await self.cluster.kubectl(
            *("patch", "kustomization", name, "--namespace", NAMESPACE, "--type=merge"),
            *("--patch", json.dumps({"spec": changes})),
        )
        assert patched.code == 0, patched.errors

        async def seen() -> bool:
            found = await self.kustomization(name)
            return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])

        await until("the change seen", seen)

    async def unfollow(self, name: str) -> None:
        """Delete a Kustomization, and wait until Flux has let go of it."""
        deleted = await self.cluster.kubectl(
            "delete", "kustomization", name, "--namespace", NAMESPACE, "--timeout=60s"
        )
        assert deleted.code == 0, deleted.errors

    async def kustomization(self, name: str) -> Json:
        """A Kustomization, or None."""
        return await self.cluster.get(f"{KUSTOMIZATIONS}/{name}")

    async def is_ready(self, name: str, revision: str) -> bool:
        """Whether it is ready with a revision."""
        found = await self.kustomization(name)
        return holds(found, "Ready") and found["status"].get("lastAppliedRevision") == revision

    async def fails(self, name: str, *words: str) -> str:
        """Wait until it has failed with these words in its message; returns the message."""

        async def told() -> str:
            ready = condition(await self.kustomization(name), "Ready")
            message = ready.get("message", "")
            has_failed = ready.get("status") == "False"
            return message if has_failed and all(word in message for word in words) else ""

        return await until(" ".join(words), told)

    async def reconciles(self, name: str) -> int:
        """How often it has been reconciled to an end, by its own record."""
        history = (await self.kustomization(name))["status"].get("history", [])
        return sum(each["totalReconciliations"] for each in history)

    def requests(self, name: str) -> list[Json]:
        """Requests about one Workspace, from the audit log: of Flux and of the operator."""
        return [
            line
            for line in self.log()
            if line.get("objectRef", {}).get("resource") == "workspaces"
            and line["objectRef"].get("name") == name
        ]

    def log(self) -> list[Json]:
        """Requests of Flux and of the operator, from the audit log."""
        return list(rights.requests(self.cluster.layout))

    async def inventory(self, name: str) -> set[Place]:
        """What a Kustomization has applied."""
        entries = (await self.kustomization(name))["status"]["inventory"]["entries"]
        places: set[Place] = set()
        for entry in entries:
            rest, group, _ = entry["id"].rsplit("_", 2)
            namespace, called = rest.split("_", 1)
            places.add((group, namespace, called.replace("__", ":")))
        return places


def place(line: Json) -> Place:
    """What a request is about."""
    about = line.get("objectRef", {})
    # A namespace is said to be in itself.
    namespace = "" if about.get("resource") == "namespaces" else about.get("namespace", "")
    return about.get("apiGroup", ""), namespace, about.get("name", "")


def writes(lines: list[Json]) -> list[Json]:
    """Those that change what is stored, if they change anything."""
    return [each for each in lines if each["verb"] in WRITES and not is_trial(each)]


def comparisons(lines: list[Json]) -> list[Json]:
    """Flux's dry runs: how it looks for drift."""
    return [each for each in lines if is_trial(each) and each["user"]["username"] == FLUX]


def is_trial(line: Json) -> bool:
    """Whether a request was a dry run."""
    return "dryRun=All" in line["requestURI"]
