"""The job on this project's engine, put together as its processes are."""

from __future__ import annotations

import asyncio
import sys

import kubernetes_asyncio
import structlog

from hack.benchmarks.engine import job
from hack.benchmarks.engine.probe import Probe
from kaito.kube import logs
from kaito.kube.client import Client
from kaito.kube.controller import Controller
from kaito.kube.informer import Informer
from kaito.kube.kinds import NODES
from kaito.kube.manager import Manager
from kaito.kube.objects import Condition, KubeModel, KubeObject, Ref
from kaito.kube.outcome import DONE, Outcome
from kaito.kube.resource import Resource
from kaito.kube.settings import ProcessSettings
from kaito.kube.writer import Writer

assert kubernetes_asyncio  # a connection would import it: it belongs to the imports

log = structlog.get_logger()


class WidgetSpec(KubeModel):
    """What is wanted."""

    parts: tuple[int, ...] = ()


class WidgetStatus(KubeModel):
    """What was made of it."""

    observed_generation: int = 0
    total: int = 0
    conditions: tuple[Condition, ...] = ()


class Widget(KubeObject):
    """An object of the job."""

    spec: WidgetSpec = WidgetSpec()
    status: WidgetStatus = WidgetStatus()


WIDGETS = Resource(job.GROUP, job.VERSION, job.PLURAL, "Widget", Widget)


class Reconciler:
    """Gives widgets their status."""

    def __init__(self, client: Client, widgets: Informer[Widget]) -> None:
        self._writer = Writer(client)
        self._widgets = widgets

    async def reconcile(self, ref: Ref) -> Outcome:
        """Write the status of one widget, unless it has it."""
        widget = self._widgets.store.get(ref)
        if widget is None:
            return DONE
        status = job.status(widget.spec.parts, widget.metadata.generation)
        written = await self._writer.apply_status(WIDGETS, widget, status)
        if written is not widget:
            log.info("widget.settled", generation=widget.metadata.generation)
        return DONE


async def run(task: job.Task, settings: ProcessSettings, probe: Probe) -> int:
    """Run until SIGTERM."""
    probe.start()
    client = await Client.connect(
        user_agent="bench-operator", field_manager="bench", kubeconfig=task.kubeconfig
    )
    manager = Manager(
        client,
        elector=None,
        host=settings.host,
        health_port=settings.health_port,
        metrics_port=settings.metrics_port,
    )
    if task.kind == "nodes":
        manager.informer(NODES)

        async def listed() -> None:
            probe.finish()
            await asyncio.Event().wait()

        manager.background("listed", listed)
    else:
        widgets = manager.informer(WIDGETS)
        reconciler = Reconciler(client, widgets)
        controller = Controller("widgets", reconciler.reconcile, workers=settings.workers)
        controller.watch(widgets, lambda widget: (widget.ref,))
        manager.add(controller)
    try:
        return await manager.run()
    finally:
        await client.close()


def main() -> int:
    """Run the operator of this process's arguments."""
    task, reports = job.Task.read(sys.argv[1:])
    settings = ProcessSettings(
        host="127.0.0.1", health_port=0, metrics_port=0, workers=job.WORKER_COUNT
    )
    logs.configure(settings.log_format, settings.log_level)
    return asyncio.run(run(task, settings, Probe(reports)))


if __name__ == "__main__":
    raise SystemExit(main())
