"""The API server's audit log of a cluster: every request of our two ServiceAccounts, no bodies."""

from __future__ import annotations

import json
from pathlib import Path

from hack.cluster.layout import OPERATOR_NAMESPACE, Layout

ACCOUNTS = ("kaito", "provisioner")
USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:"
"""How the user name of each of them begins."""


def policy(layout: Layout) -> Path:
    """Where the policy is; a cluster without the file writes no log."""
    return layout.home / "audit-policy.json"


def log(layout: Layout) -> Path:
    """Where the log is, one JSON object a line; a line is there before its request is answered."""
    return layout.logs / "audit.jsonl"


def write_policy(layout: Layout) -> None:
    """Have the API server, which starts later, write the log (JSON is YAML as well)."""
    users = [f"{USER}{each}" for each in ACCOUNTS]
    content = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": users}, {"level": "None"}],
    }
    policy(layout).write_text(json.dumps(content, indent=2) + "\n")


def flags(layout: Layout) -> dict[str, object]:
    """Flags of an API server; none where there is no policy."""
    if not policy(layout).exists():
        return {}
    return {"audit-policy-file": policy(layout), "audit-log-path": log(layout)}
