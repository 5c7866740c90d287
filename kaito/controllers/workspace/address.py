"""The Service of a pod that serves alone is made while its machine comes up.

An API server gives out the addresses of Services one after the other, so those of a burst wait for
each other; before the nodes are there nobody waits for it. Whether pods are to serve together shows
only then: their Services, and whatever was changed or deleted meanwhile, are `ensure_service`'s.
"""

from __future__ import annotations

from kaito.api.reasons import Reason
from kaito.controllers.workspace.nodes import model
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.step import Create, Step, hold
from kaito.kube.kinds import SERVICES
from kaito.workloads.group import is_group
from kaito.workloads.service import rendered_service


def early_address(seen: Observed) -> tuple[Step, ...]:
    """The step that makes the address once machines are asked for; none where it is not due.

    It comes last: it holds nothing up, and what is said of the workspace is what it waits for.
    """
    if seen.workspace.tuning or seen.service or not seen.claims:
        return ()
    preset = model(seen)
    if preset is None or is_group(preset, None, nodes=seen.workspace.resource.count):
        return ()
    service = rendered_service(seen.workspace, target_port=preset.port)
    create = Create(SERVICES, service, seen.workspace.metadata.uid)
    message = f"creating Service {seen.workspace.metadata.name}"
    return (hold("", Reason.APPLYING, message, create),)
