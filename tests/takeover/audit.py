"""The API server's audit log: who wrote what, when, and how that was answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

import yaml

from hack.cluster.layout import Layout

PROCESS = "process"
"""Extra field of a user: which process it is."""

BODIES = ("kaito.sh", "karpenter.sh", "apps", "coordination.k8s.io", "")
"""API groups whose objects are in the log, not only their names."""

Json = Any


@dataclass(frozen=True, slots=True)
class Write:
    """One request that may change something, and its answer.

    Attributes:
        process: which process asked; "" when it was none of those under test.
        verb: create, update, patch or delete.
        place: resource, namespace and name of the object; a subresource is left out.
        code: HTTP status of the answer.
        uid: of the object, as answered; "" in a refusal.
        version: resourceVersion that the object had then; infinite when that was its end.
        received: when the API server had the request.
        owner: uid of whoever the object was made for; "" when it does not say.
        holder: name in the lease, if it was one.
    """

    process: str
    verb: str
    place: tuple[str, str, str]
    code: int
    uid: str
    version: float
    received: datetime
    owner: str = ""
    holder: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the API server did it."""
        return self.code < 300

    @property
    def order(self) -> tuple[float, datetime]:
        """Grows with each write to one object; what changes nothing comes after the last."""
        return self.version, self.received

    @property
    def changes(self) -> bool:
        """Whether it is about an object that is there already, Events aside."""
        return self.verb != "create" and self.place[0] != "events"


@dataclass(slots=True)
class Log:
    """The log of one API server, read on as it grows.

    Attributes:
        path: of the file, one JSON object a line.
        writes: what was read so far, in the order of the answers.
    """

    path: Path
    writes: list[Write] = field(default_factory=list)
    _read_bytes: int = 0

    def read(self) -> list[Write]:
        """Everything up to now."""
        with self.path.open("rb") as file:
            file.seek(self._read_bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read_bytes += len(line)
                event = json.loads(line)
                if "code" in event.get("responseStatus", {}) and "name" in event["objectRef"]:
                    self.writes.append(write(event))
        return self.writes


def flags(layout: Layout) -> tuple[str, ...]:
    """Flags of the API server that have it write the log; writes the policy that they name."""
    policy = layout.home / "audit.yaml"
    rules = [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "RequestResponse", "resources": [{"group": each} for each in BODIES]},
        {"level": "Metadata"},
    ]
    content = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "omitManagedFields": True,
        "rules": rules,
    }
    policy.write_text(yaml.safe_dump(content))
    return f"--audit-policy-file={policy}", f"--audit-log-path={path(layout)}"


def path(layout: Layout) -> Path:
    """Where the log is. A line is written before its request counts as answered."""
    return layout.logs / "audit.jsonl"


def write(event: Json) -> Write:
    """One line of the log."""
    place = event["objectRef"]
    answer = event.get("responseObject") or {}
    ended, metadata = _metadata(answer)
    extra = event.get("impersonatedUser", {}).get("extra", {})
    spec = answer.get("spec") if place["resource"] == "leases" else None
    return Write(
        process=extra.get(PROCESS, [""])[0],
        verb=event["verb"],
        place=(place["resource"], place.get("namespace", ""), place["name"]),
        code=event["responseStatus"]["code"],
        uid=metadata.get("uid", ""),
        version=inf if ended else float(metadata.get("resourceVersion", 0)),
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
        owner=_owner(metadata),
        holder=(spec or {}).get("holderIdentity", ""),
    )


def _metadata(answer: Json) -> tuple[bool, Json]:
    """Whether the object is gone with this answer, and its metadata or what stands for them."""
    if answer.get("kind") == "Status":
        details = answer.get("details") or {}
        return answer.get("status") == "Success", details
    metadata = answer.get("metadata") or {}
    return "deletionTimestamp" in metadata and not metadata.get("finalizers"), metadata


def _owner(metadata: Mapping[str, Json]) -> str:
    """Uid of the Workspace that an object was made for."""
    label = (metadata.get("labels") or {}).get("kaito.sh/workspace-uid", "")
    references = metadata.get("ownerReferences") or [{"uid": label}]
    return str(references[0]["uid"])
