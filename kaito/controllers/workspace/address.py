"""The Service of a pod that serves alone, made beside all else as soon as its spec is accepted.

An API server gives out the addresses of Services one after the other, so those of a burst wait for
each other. They wait in a queue of their own, whose workers begin at once and hold nobody up who
asks for machines. Whether pods are to serve together shows only on their nodes: their Services, and
whatever was changed meanwhile, or refused here, are `ensure_service`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from kaito.api.reasons import Reason
from kaito.api.workspace import STALLED
from kaito.catalog.catalog import Catalog
from kaito.controllers.workspace.check import check_spec
from kaito.controllers.workspace.executor import Executor
from kaito.controllers.workspace.nodes import model
from kaito.controllers.workspace.observe import Observed, Options, Stores, observe
from kaito.controllers.workspace.preflight import ensure_preflight
from kaito.controllers.workspace.step import Create, Step, hold
from kaito.kube.client import Client
from kaito.kube.conditions import condition
from kaito.kube.errors import Denied, Invalid, NotFound
from kaito.kube.kinds import SERVICES
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from kaito.kube.writer import LabelsLost, NameTaken
from kaito.workloads.group import is_group
from kaito.workloads.service import rendered_service

WORKERS = 4
"""Enough to have the next request there when the API server has given out an address."""


def early_address(seen: Observed) -> Step | None:
    """The step that makes the address of a workspace that can come up; None where it is not due."""
    workspace = seen.workspace
    if workspace.is_deleting or workspace.tuning or seen.service or _is_stalled(seen):
        return None
    if not (check_spec(seen).satisfied and ensure_preflight(seen).satisfied):
        return None
    preset = model(seen)
    if preset is None or is_group(preset, None, nodes=workspace.resource.count):
        return None
    service = rendered_service(workspace, target_port=preset.port)
    create = Create(SERVICES, service, workspace.metadata.uid)
    return hold("", Reason.APPLYING, f"creating Service {workspace.metadata.name}", create)


def _is_stalled(seen: Observed) -> bool:
    """Whether people are told that it does not come up as it is."""
    found = condition(seen.workspace.status.conditions, STALLED)
    return found is not None and found.observed_generation == seen.workspace.metadata.generation


@dataclass(frozen=True, slots=True)
class AddressReconciler:
    """Makes the Service of a workspace that has none.

    Attributes:
        stores: what the informers know.
        client: the API server.
        catalog: presets and SKUs.
        options: settings that shape what is rendered.
        now: the present, UTC.
        leave: have the workspace itself looked at: it may wait for a Service not made here.
    """

    stores: Stores
    client: Client
    catalog: Catalog
    options: Options
    now: Callable[[], datetime]
    leave: Callable[[Ref], None]

    def due(self, refs: Iterable[Ref]) -> Iterable[Ref]:
        """Of these workspaces, those that are to have a Service and have none."""
        return tuple(ref for ref in refs if self._lacks(ref))

    def _lacks(self, ref: Ref) -> bool:
        workspace = self.stores.workspaces.get(ref)
        if workspace is None or workspace.is_deleting or workspace.inference is None:
            return False
        return bool(workspace.inference.preset) and self.stores.services.get(ref) is None

    async def reconcile(self, ref: Ref) -> Outcome:
        """Make the Service of one workspace, if it is time; else leave it to the other phases."""
        is_over = not self._lacks(ref)
        try:
            is_over = is_over or await self._make(ref)
        finally:
            if not is_over:
                self.leave(ref)
        return DONE

    async def _make(self, ref: Ref) -> bool:
        """Make it; whether it was time."""
        seen = observe(self.stores, ref, now=self.now(), catalog=self.catalog, options=self.options)
        step = early_address(seen) if seen else None
        if step is None:
            return False
        try:
            await Executor(self.client).run((step,))
        except (NameTaken, LabelsLost, NotFound, Denied, Invalid):
            return False  # The status is to say so, and is the other's.
        return True
