"""Bring each workspace one step closer to its spec, and say how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from kaito.api.reasons import WARNINGS
from kaito.api.workspace import READY, WORKSPACES, Workspace, WorkspaceStatus
from kaito.catalog.catalog import Catalog
from kaito.controllers.workspace.executor import Executor
from kaito.controllers.workspace.observe import Observed, Options, Stores, observe
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status, status_manifest, verdict
from kaito.controllers.workspace.step import ReleaseFinalizer, Step
from kaito.kube.client import Client
from kaito.kube.conditions import condition
from kaito.kube.events import Recorder
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkspaceReconciler:
    """The loop body: observe, plan, act, report.

    Attributes:
        stores: what the informers know.
        client: the API server.
        recorder: Events for users.
        catalog: presets and SKUs.
        options: settings that shape what is rendered.
        now: the present, UTC.
    """

    stores: Stores
    client: Client
    recorder: Recorder
    catalog: Catalog
    options: Options
    now: Callable[[], datetime]

    async def reconcile(self, ref: Ref) -> Outcome:
        """Bring one workspace one step closer to its spec."""
        seen = observe(self.stores, ref, now=self.now(), catalog=self.catalog, options=self.options)
        if seen is None:
            return DONE
        steps = plan(seen)
        await Executor(self.client).run(steps)
        await self._report(seen, steps)
        return _outcome(steps)

    async def _report(self, seen: Observed, steps: tuple[Step, ...]) -> None:
        """Write the status, if it says anything new."""
        workspace = seen.workspace
        found = status(seen, steps)
        if found == workspace.status or _is_released(seen, steps):
            return
        await self.client.apply(
            WORKSPACES,
            {
                "apiVersion": WORKSPACES.api_version,
                "kind": WORKSPACES.kind,
                "metadata": {
                    "name": workspace.metadata.name,
                    "namespace": workspace.metadata.namespace,
                    "uid": workspace.metadata.uid,
                },
                "status": status_manifest(found),
            },
            subresource="status",
        )
        self._announce(workspace, found, steps)

    def _announce(
        self, workspace: Workspace, found: WorkspaceStatus, steps: tuple[Step, ...]
    ) -> None:
        """Tell people of a transition: one log line and one Event."""
        before = condition(workspace.status.conditions, READY)
        after = condition(found.conditions, READY)
        whole = verdict(steps)
        if before and after and (before.reason, before.message) == (after.reason, after.message):
            return
        log.info("workspace.planned", reason=whole.reason, message=whole.message)
        if before is None or before.reason != whole.reason:
            self.recorder.event(
                workspace,
                WORKSPACES,
                type="Warning" if whole.reason in WARNINGS else "Normal",
                reason=whole.reason,
                message=whole.message,
            )


def _is_released(seen: Observed, steps: tuple[Step, ...]) -> bool:
    """Whether this pass let the workspace go, so that there is no status left to write."""
    return seen.workspace.is_deleting and any(
        isinstance(action, ReleaseFinalizer) for step in steps for action in step.actions
    )


def _outcome(steps: tuple[Step, ...]) -> Outcome:
    """When to look again: at the earliest deadline that a phase named."""
    deadlines = [step.recheck_seconds for step in steps if step.recheck_seconds is not None]
    return Outcome(recheck_seconds=min(deadlines)) if deadlines else DONE
