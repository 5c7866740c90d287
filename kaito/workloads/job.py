"""The Job around a pod that runs to an end, and is taken up again until it has."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.kube.kinds import JOBS
from kaito.kube.objects import Manifest
from kaito.workloads.owner import owned_metadata

TRIES = 2_147_483_647
"""A Job that gives up deletes its pod, and with it what the pod has made: the operator judges."""


def job_of(workspace: Workspace, template: Manifest, *, run: str) -> Manifest:
    """A Job of one pod made from `template`, that a later spec replaces.

    A container that fails is started again in its pod, where its files still are. A pod that is
    deleted is followed by another only when it has ended: two would write the same result.

    Args:
        workspace: its owner.
        template: a pod template with `restartPolicy: OnFailure`.
        run: name of the run, by which the Job is known to be of the present spec.
    """
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": owned_metadata(workspace, annotations={labels.REVISION: run}),
        "spec": {
            "backoffLimit": TRIES,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "template": template,
        },
    }
