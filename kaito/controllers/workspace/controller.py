"""Bring each workspace one step closer to its spec, and say how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from kaito.api.reasons import WARNINGS
from kaito.api.workspace import READY, WORKSPACES, Workspace, WorkspaceStatus
from kaito.catalog.catalog import Catalog
from kaito.controllers.workspace.departures import Departures
from kaito.controllers.workspace.executor import Executor
from kaito.controllers.workspace.observe import Observed, Options, Stores, observe, orphans
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.refusal import REFUSALS, Faults
from kaito.controllers.workspace.status import status, status_manifest, verdict
from kaito.controllers.workspace.step import Apply, DeleteUnseen, Step
from kaito.controllers.workspace.witness import Witness
from kaito.kube.client import Client
from kaito.kube.conditions import condition
from kaito.kube.errors import ServerFault
from kaito.kube.events import Recorder
from kaito.kube.objects import Ref
from kaito.kube.outcome import DONE, Outcome
from kaito.kube.writer import Writer
from kaito.nodes.claim import is_made_for, resource_of

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
        departures: claims that are there no more, and not on record yet.
        witness: what was said of pods that come no further.
        faults: which workspaces meet faults of the API server's own.
        is_addressed: whether the Service of a workspace is being made, beside.
    """

    stores: Stores
    client: Client
    recorder: Recorder
    catalog: Catalog
    options: Options
    now: Callable[[], datetime]
    departures: Departures
    witness: Witness = field(default_factory=Witness)
    faults: Faults = field(default_factory=Faults)
    is_addressed: Callable[[Ref], bool] = lambda _: False

    async def reconcile(self, ref: Ref) -> Outcome:
        """Bring one workspace one step closer to its spec.

        Raises:
            ServerFault: the API server, or a webhook that it asks, fails; one that lasts is told.
        """
        seen = observe(
            self.stores,
            ref,
            now=self.now(),
            catalog=self.catalog,
            options=self.options,
            is_addressed=self.is_addressed(ref),
        )
        await self._sweep(ref)
        if seen is None:
            self.faults.passed(ref)
            self.departures.forget(ref)
            return DONE
        seen = await self.departures.confirmed(seen, self.client)
        seen = await self.witness.completed(seen, self.client)
        steps, fault = await self._act(seen, plan(seen))
        await self._report(seen, steps)
        if fault:
            raise fault
        return _outcome(steps, self.witness.again_seconds(seen))

    async def _act(
        self, seen: Observed, steps: tuple[Step, ...]
    ) -> tuple[tuple[Step, ...], ServerFault | None]:
        """Carry the plan out, in order; as it stands when that is refused, and a fault to raise.

        A fault that keeps what works from being mended changes nothing for its users.
        """
        executor, raised = Executor(self.client), None
        for number, step in enumerate(steps):
            try:
                await executor.run((step,))
            except REFUSALS as error:
                return (*steps[:number], self.faults.refused(seen, step, error)), None
            except ServerFault as fault:
                if _is_mend(step):
                    raised = fault
                    continue
                told = self.faults.met(seen, step, fault)
                if told is None:
                    raise
                return (*steps[:number], told), fault
        self.faults.passed(seen.workspace.ref)
        return steps, raised

    async def _sweep(self, ref: Ref) -> None:
        """Give back the nodes of a Workspace that is no more, or that a namesake has followed.

        Nobody else would: its finalizer may have been removed by hand, or a creation whose
        answer was lost may have arrived after the Workspace had gone.
        """
        left = orphans(self.stores, ref)
        if not left:
            return
        live = await self.client.get(WORKSPACES, ref)
        for claim in left:
            if live is None or not is_made_for(claim, live.metadata.uid):
                await Writer(self.client).delete(resource_of(claim), claim)
                log.warning("claim.orphaned", claim=claim.metadata.name)

    async def _report(self, seen: Observed, steps: tuple[Step, ...]) -> None:
        """Write the status, if it says anything new.

        Nothing is said by a pass that has changed the world: what was decided belongs to the
        version before, and the change brings the workspace back at once.
        """
        if _has_moved(steps) or not all(step.told for step in steps):
            return
        workspace, found = seen.workspace, status(seen, steps)
        if found == workspace.status:
            return
        await Writer(self.client).apply_status(WORKSPACES, workspace, status_manifest(found))
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
        for step in steps:
            if step.satisfied and step.reason in WARNINGS:
                log.warning("workspace.warned", reason=step.reason, message=step.message)
                self.recorder.event(
                    workspace, WORKSPACES, type="Warning", reason=step.reason, message=step.message
                )
        if before is None or before.reason != whole.reason:
            self.recorder.event(
                workspace,
                WORKSPACES,
                type="Warning" if whole.reason in WARNINGS else "Normal",
                reason=whole.reason,
                message=whole.message,
            )


def _has_moved(steps: tuple[Step, ...]) -> bool:
    """Whether this pass has changed the world in a way that brings the workspace back.

    An object that is merely mended does not count: somebody may undo it for ever. Nor does a look
    for what our caches miss: mostly there is nothing.
    """
    return any(
        not isinstance(action, Apply | DeleteUnseen) for step in steps for action in step.actions
    )


def _is_mend(step: Step) -> bool:
    """Whether a step is satisfied as it is, and only mends what somebody else has changed."""
    return step.satisfied and all(isinstance(action, Apply) for action in step.actions)


def _outcome(steps: tuple[Step, ...], again_seconds: float | None) -> Outcome:
    """When to look again: at the earliest deadline that a phase, or a pod, has named."""
    named = (*(step.recheck_seconds for step in steps), again_seconds)
    deadlines = [seconds for seconds in named if seconds is not None]
    return Outcome(recheck_seconds=min(deadlines)) if deadlines else DONE
