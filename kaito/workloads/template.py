"""The Deployment of a pod template that the user wrote: it is kept, and put on the right nodes."""

from __future__ import annotations

from kaito.api.workspace import Workspace
from kaito.kube.objects import Manifest
from kaito.workloads.deployment import deployment_of
from kaito.workloads.owner import pod_labels
from kaito.workloads.placement import TOLERATIONS, affinity

_DEADLINE_SECONDS = 1800
"""How long pods of which we know nothing may load."""
_SETTLING_SECONDS = 10
"""How long a pod has to run that is ready as soon as it runs, for nothing probes it."""


def rendered_template(workspace: Workspace) -> Manifest:
    """The Deployment of a workspace that has `inference.template`.

    The template's own affinity, tolerations and labels stay; ours are added.

    Args:
        workspace: has the template.
    """
    template = dict((workspace.inference and workspace.inference.template) or {})
    metadata, spec = _mapping(template, "metadata"), _mapping(template, "spec")
    own = spec.get("tolerations")
    made: Manifest = {
        **template,
        "metadata": {
            **metadata,
            "labels": {**_mapping(metadata, "labels"), **pod_labels(workspace)},
        },
        "spec": {
            **spec,
            "affinity": affinity(workspace, own=_mapping(spec, "affinity")),
            "tolerations": [*(own if isinstance(own, list) else ()), *TOLERATIONS],
        },
    }
    settling = 0 if _is_probed(spec) else _SETTLING_SECONDS
    return deployment_of(
        workspace, made, deadline_seconds=_DEADLINE_SECONDS, settling_seconds=settling
    )


def _is_probed(spec: Manifest) -> bool:
    """Whether the user says when each container is ready."""
    containers = spec.get("containers")
    listed = containers if isinstance(containers, list) else []
    return all(isinstance(each, dict) and each.get("readinessProbe") for each in listed)


def _mapping(within: Manifest, key: str) -> Manifest:
    """An object of the template; whatever else stands there is for the API server to refuse."""
    found = within.get(key)
    return found if isinstance(found, dict) else {}
