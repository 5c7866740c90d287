"""The page of rights: what each account of manifests/rbac may do, and what for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.fields import table

Json = Any
FOLDER = "manifests/rbac"
NAMESPACE = "kaito-system"

WHY = {
    ("kaito", "workspaces.kaito.sh"): "reads what is wanted; patches its finalizer",
    ("kaito", "workspaces/status.kaito.sh"): "says how far it is",
    ("kaito", "machines.karpenter.sh"): "asks for nodes, and gives them back",
    ("kaito", "nodeclaims.karpenter.sh"): "the same, of the other Kind",
    ("kaito", "nodes"): "sees which are ready; patches one label, a policy refuses the rest",
    ("kaito", "pods"): "sees how they fare; makes those that look at images and secrets first",
    ("kaito", "services"): "the address of a model",
    ("kaito", "deployments.apps"): "the model",
    ("kaito", "statefulsets.apps"): "a model over several nodes",
    ("kaito", "jobs.batch"): "a tuning",
    ("kaito", "events.events.k8s.io"): "tells what has happened; reads which volume a pod misses",
    ("kaito", "leases.coordination.k8s.io"): "one of the replicas leads",
    ("kaito", "tokenreviews.authentication.k8s.io"): "asks who wants its metrics",
    ("kaito", "subjectaccessreviews.authorization.k8s.io"): "asks whether they may",
    ("provisioner", "machines.karpenter.sh"): (
        "reads what is asked for; patches its finalizer and labels; deletes only with "
        "`PROVISIONER_DEADLINE_ACTION=delete`"
    ),
    ("provisioner", "nodeclaims.karpenter.sh"): "the same, of the other Kind",
    ("provisioner", "machines/status.karpenter.sh"): "says how far it is",
    ("provisioner", "nodeclaims/status.karpenter.sh"): "the same, of the other Kind",
    (
        "provisioner",
        "nodes",
    ): "labels, taints and cordons that of a claim; deletes it at the end",
    ("provisioner", "pods"): "which are on a node that goes",
    ("provisioner", "pods/eviction"): "drains such a node; disruption budgets are obeyed",
    ("provisioner", "events.events.k8s.io"): "tells what has happened",
    ("provisioner", "leases.coordination.k8s.io"): "one of the replicas leads",
    ("provisioner", "tokenreviews.authentication.k8s.io"): "asks who wants its metrics",
    ("provisioner", "subjectaccessreviews.authorization.k8s.io"): "asks whether they may",
    ("kaito-view", "workspaces.kaito.sh"): "whoever has `view`, `edit` or `admin` in a namespace",
    ("kaito-edit", "workspaces.kaito.sh"): "whoever has `edit` or `admin` in a namespace",
    ("kaito-nodes-view", "machines.karpenter.sh"): "whoever you bind it to: `kubectl kaito status`",
    ("kaito-nodes-view", "nodeclaims.karpenter.sh"): "the same, of the other Kind",
    ("kaito-nodes-view", "nodes"): "the same",
    ("kaito-metrics-reader", "/metrics"): "Prometheus, once you have bound it",
}
"""What each right is for, by account, or role where nobody has it, and resource."""

_OPENING = f"""\
# What it may do in your cluster

Written by `python -m hack.pages` from {FOLDER}. Do not edit.

Two ServiceAccounts in `{NAMESPACE}`, one for each process. Neither has a wildcard, or any verb on
Secrets. That each verb is used, and that none is missing, the tests read from audit logs.

## What that comes to

- Whoever may create pods in a namespace can mount any Secret of it. The operator may read none, but
  it may `create` pods, Deployments, StatefulSets and Jobs in all namespaces: **whoever holds the
  token of `kaito` can mount any Secret there**, and run as any ServiceAccount. Guard
  `{NAMESPACE}` as you guard `kube-system`.
- So it is with Workspaces: whoever may create one in a namespace may give it a pod template, which
  names Secrets of that namespace.
- **The provisioner may evict any pod and delete any Node**, and write labels and taints of one. It
  does so to nodes of its own alone, but no role can say that.
- The operator may patch Nodes, of which a policy of the API server leaves it one label
  (`pinning.workspaces.kaito.sh`, Kubernetes 1.30 or later).
- In Azure the provisioner's identity is
  [`Contributor` of the one cluster](../guides/aks.md#an-identity-for-the-provisioner).
- The overlays `byo` and `karpenter` have no provisioner, and none of its rights; there the operator
  may create no claims at all (`byo`), or NodeClaims alone (`karpenter`).

## Beside the roles

- The device plugin runs on GPU nodes as root without capabilities, and mounts the host's
  `/var/lib/kubelet/device-plugins`: its namespace `kaito-device-plugin` enforces `privileged`, so
  whoever may create pods there has the node. Nobody else needs to.
- With the component for monitoring comes a Secret `metrics-reader`, whose token does not end and
  may `get` `/metrics`, beside what every account may. To end it, take the component out and
  delete the Secret: where it stays, the next apply makes another.
- **A preset's model asks for no key.** Whoever reaches its Service uses it: by default every pod of
  the cluster, and with [`kaito.sh/enablelb`](workspace.md#annotations) whoever reaches its address.
  Network policies in the Workspaces' namespaces, or a gateway, are yours to set.
- Network policies let the processes of `{NAMESPACE}` in at their metrics, and out at the ports 53,
  443 and 6443 alone. An engine that looks at packets behind the Service sees the API server's own
  port: where that is another (8443, 16443), [add it](../guides/own-nodes.md#network-policies). The
  tests here read policies and have no engine that enforces one.
"""
_PEOPLE = """
## For people

These come with the built-in roles, or with a binding of yours. No process has them.

"""
_HEAD = ("on", "verbs", "where", "what for")


@dataclass(frozen=True)
class Grant:
    """Verbs on one resource.

    Attributes:
        holder: the ServiceAccount, or the role where no account has it.
        resource: plural, "/" and the subresource; its group behind a dot; or a path of the server.
        verbs: as the role has them, those on one object alone with its name.
        where: the namespace, everywhere, or where somebody binds the role.
    """

    holder: str
    resource: str
    verbs: tuple[str, ...]
    where: str


def page(root: Path) -> str:
    """Text of the page.

    Raises:
        ValueError: a right has no purpose in WHY, or a purpose no right.
    """
    objects = [
        each
        for path in sorted((root / FOLDER).glob("*.yaml"))
        for each in yaml.safe_load_all(path.read_text())
    ]
    grants = list(_merged(_grants(objects)))
    untold = {(each.holder, each.resource) for each in grants} ^ set(WHY)
    if untold:
        raise ValueError(f"rights and hack/rights.py differ: {sorted(untold)}")
    accounts = [each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"]
    parts = [_OPENING]
    for account in accounts:
        mine = [each for each in grants if each.holder == account]
        parts += [f"\n## `{account}`\n\n", table(_HEAD, map(_row, mine))]
    people = [each for each in grants if each.holder not in accounts]
    rows = ((f"`{each.holder}`", *_row(each)) for each in people)
    return "".join([*parts, _PEOPLE, table(("role", *_HEAD), rows)])


def _grants(objects: Iterable[Json]) -> Iterator[Grant]:
    """Every rule of every role, for each account that it is bound to."""
    roles = [each for each in objects if each["kind"] in ("Role", "ClusterRole")]
    bindings = [each for each in objects if each["kind"].endswith("Binding") and "roleRef" in each]
    for role in roles:
        name, kind = role["metadata"]["name"], role["kind"]
        holders = [
            subject["name"]
            for each in bindings
            if (each["roleRef"]["kind"], each["roleRef"]["name"]) == (kind, name)
            for subject in each["subjects"]
        ]
        where = NAMESPACE if kind == "Role" else "everywhere" if holders else "where it is bound"
        for holder in holders or [name]:
            for rule in role["rules"]:
                for resource in _resources(rule):
                    yield Grant(holder, resource, tuple(_verbs(rule)), where)


def _resources(rule: Json) -> Iterator[str]:
    """What a rule is about."""
    yield from rule.get("nonResourceURLs", ())
    for group in rule.get("apiGroups", ()):
        for resource in rule.get("resources", ()):
            yield f"{resource}.{group}" if group else resource


def _verbs(rule: Json) -> Iterator[str]:
    """The verbs of a rule, each with the objects that it is for, where not for all."""
    only = ", ".join(f"`{each}`" for each in rule.get("resourceNames", ()))
    for verb in rule["verbs"]:
        yield f"{verb} {only}" if only else verb


def _merged(grants: Iterable[Grant]) -> Iterator[Grant]:
    """One for each holder and resource: several rules may tell of the same."""
    found: dict[tuple[str, str], Grant] = {}
    for each in grants:
        key = each.holder, each.resource
        before = found[key].verbs if key in found else ()
        found[key] = Grant(each.holder, each.resource, (*before, *each.verbs), each.where)
    yield from found.values()


def _row(grant: Grant) -> tuple[str, str, str, str]:
    """One right."""
    why = WHY[grant.holder, grant.resource]
    return f"`{grant.resource}`", ", ".join(grant.verbs), grant.where, why
