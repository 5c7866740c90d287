"""`python -m hack.cluster.kubelet --home DIR`: play all nodes of the cluster that lives there."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from dataclasses import replace
from pathlib import Path

import aiohttp
import structlog

from hack.cluster.kubelet.api import KubeletApi
from hack.cluster.kubelet.bubblewrap import BWRAP
from hack.cluster.kubelet.host import Host, Pace
from hack.cluster.kubelet.images import TABLE, Images
from hack.cluster.kubelet.names import Names
from hack.cluster.kubelet.nodes import Nodes
from hack.cluster.kubelet.objects import Objects
from hack.cluster.kubelet.pod import PODS, Pod
from hack.cluster.kubelet.pods import Pods
from hack.cluster.layout import Layout
from kaito.kube import logs
from kaito.kube.client import Client
from kaito.kube.errors import KubeError
from kaito.kube.events import Recorder
from kaito.kube.informer import Informer
from kaito.kube.objects import KubeModel
from kaito.kube.reflector import Selection

log = structlog.get_logger()

NAME = "process-kubelet"
RETRY_SECONDS = 0.5


class PodEvents:
    """Tells people what happens to pods, through the API server."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def warn(self, pod: Pod, reason: str, message: str) -> None:
        """Something went wrong."""
        self._send(pod, "Warning", reason, message)

    def tell(self, pod: Pod, reason: str, message: str) -> None:
        """Something went as it should."""
        self._send(pod, "Normal", reason, message)

    def _send(self, pod: Pod, type: str, reason: str, message: str) -> None:
        self._recorder.event(pod, PODS, type=type, reason=reason, message=message, action=reason)


class _Version(KubeModel):
    git_version: str


def main() -> None:
    """Run until SIGTERM or SIGINT; no container outlives it."""
    parser = argparse.ArgumentParser(prog="hack.cluster.kubelet", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of the cluster")
    parser.add_argument("--images", type=Path, default=TABLE, help="table of images")
    parser.add_argument(
        "--restart-seconds",
        type=float,
        default=Pace().restart_base_seconds,
        help="delay before a container's second restart; it doubles",
    )
    options = parser.parse_args()
    if sys.platform != "linux":
        parser.error("the process kubelet needs Linux: it runs containers under bubblewrap")
    if not Path(BWRAP).exists():
        parser.error(f"there is no {BWRAP}: install bubblewrap (Debian: apt install bubblewrap)")
    logs.configure("json", "info")
    layout = Layout.load(options.home)
    pace = replace(Pace(), restart_base_seconds=options.restart_seconds)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_until_signalled(layout, Images(options.images), pace))


async def _until_signalled(layout: Layout, images: Images, pace: Pace) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    client = await Client.connect(
        user_agent=NAME, field_manager=NAME, kubeconfig=str(layout.node_kubeconfig)
    )
    try:
        async with aiohttp.ClientSession(trust_env=False) as http:
            await _run(layout, images, pace, client, http)
    finally:
        await client.close()


async def _run(
    layout: Layout, images: Images, pace: Pace, client: Client, http: aiohttp.ClientSession
) -> None:
    recorder = Recorder(client, controller="kubelet", instance=NAME)
    names = Names(layout, client)
    host = Host(layout, client, Objects(client), images, names, http, PodEvents(recorder), pace)
    informer = Informer(client, PODS, selection=Selection(fields="spec.nodeName!="))
    pods = Pods(host, informer)
    api = KubeletApi(layout, pods.find)
    nodes = Nodes(host, pods, api, version=await _version(client))
    await api.start()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            group.create_task(informer.run())
            group.create_task(names.run())
            await informer.synced.wait()
            pods.sweep()
            group.create_task(nodes.run(http))
            log.info("kubelet.started", home=str(layout.home))
    finally:
        await pods.stop()
        await api.stop()


async def _version(client: Client) -> str:
    """The control plane's version, which our nodes claim to have; waits for the API server."""
    while True:
        try:
            return _Version.model_validate(await client.request("GET", "/version")).git_version
        except KubeError as error:
            log.info("kubelet.delayed", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)


if __name__ == "__main__":
    main()
