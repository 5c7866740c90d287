"""The kubelet's own API, on each node's address: health, and the logs of containers.

The API server is its only client: it must show a certificate of the cluster's authority with
the API server's name. exec, attach and port-forward are not offered.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from aiohttp import web

from hack.cluster.kubelet.logs import Selection, read
from hack.cluster.kubelet.machine import Machine
from hack.cluster.kubelet.podworker import PodWorker
from hack.cluster.kubelet.states import Waiting
from hack.cluster.kubelet.worker import ContainerWorker
from hack.cluster.layout import KUBELET_PORT, Layout, loopback
from hack.cluster.pki import serving_certificate
from kaito.kube.objects import Ref

CLIENT_NAME = "kube-apiserver-kubelet-client"
NOT_OFFERED = (
    "the process kubelet of a local cluster offers no exec, attach or port-forward; "
    "pods listen on this machine: 10.a.b.c in their status is 127.a.b.c here\n"
)

Find = Callable[[Ref], PodWorker | None]


class KubeletApi:
    """Serves all nodes; each has an address and a certificate of its own."""

    def __init__(self, layout: Layout, find: Find) -> None:
        self._layout = layout
        self._find = find
        application = web.Application(middlewares=[_only_api_server])
        application.add_routes(
            [
                web.get("/healthz", _healthz),
                web.get("/containerLogs/{namespace}/{pod}/{container}", self._logs),
                *(web.route("*", path, _not_offered) for path in _UNOFFERED),
            ]
        )
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None)
        self._sites: dict[str, web.TCPSite] = {}

    async def start(self) -> None:
        """Get ready to listen."""
        await self._runner.setup()

    async def stop(self) -> None:
        """Listen nowhere any more."""
        await self._runner.cleanup()

    async def listen(self, machine: Machine) -> None:
        """Serve on the machine's address."""
        nominal = self._layout.node_address(machine.number)
        address = loopback(nominal)
        hosts = (machine.name, nominal, address)
        files = serving_certificate(self._layout, f"kubelet-{machine.name}", hosts)
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=self._layout.ca_certificate
        )
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(*files)
        site = web.TCPSite(self._runner, address, KUBELET_PORT, ssl_context=context)
        await site.start()
        self._sites[machine.name] = site

    async def leave(self, machine: Machine) -> None:
        """Stop serving on the machine's address."""
        if (site := self._sites.pop(machine.name, None)) is not None:
            await site.stop()

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        where = request.match_info
        worker = self._find(Ref(where["namespace"], where["pod"]))
        container = worker.container(where["container"]) if worker else None
        if worker is None or container is None:
            raise web.HTTPNotFound(text=f'container "{where["container"]}" not found\n')
        run = _run(request.query, container, where["pod"])
        path = worker.log(container.container.name, run)
        selection = _selection(request.query)
        follow = request.query.get("follow") == "true"
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for piece in read(
            path,
            selection,
            is_over=lambda: not follow or not container.is_in_run(run),
        ):
            await response.write(piece)
        await response.write_eof()
        return response


_UNOFFERED = ("/exec/{rest:.*}", "/attach/{rest:.*}", "/portForward/{rest:.*}", "/run/{rest:.*}")


async def _not_offered(_: web.Request) -> web.StreamResponse:
    return web.Response(status=501, text=NOT_OFFERED)


async def _healthz(_: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


@web.middleware
async def _only_api_server(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    transport = cast("ssl.SSLObject | None", request.get_extra_info("ssl_object"))
    certificate = transport.getpeercert() if transport else None
    subject = {} if certificate is None else dict(_flat(certificate.get("subject", ())))
    if subject.get("commonName") != CLIENT_NAME:
        raise web.HTTPForbidden(text="only the API server may ask\n")
    return await handler(request)


def _flat(subject: object) -> list[tuple[str, str]]:
    parts = cast("tuple[tuple[tuple[str, str], ...], ...]", subject)
    return [pair for part in parts for pair in part]


def _run(query: Mapping[str, str], container: ContainerWorker, pod: str) -> int:
    """Which run of the container is asked for.

    Raises:
        HTTPBadRequest: it never ran, or not before.
    """
    name = container.container.name
    view = container.view
    if query.get("previous") == "true":
        if view.restarts == 0:
            raise web.HTTPBadRequest(text=f'previous terminated container "{name}" not found\n')
        return view.restarts - 1
    if isinstance(view.state, Waiting) and view.last is None:
        raise web.HTTPBadRequest(
            text=f'container "{name}" in pod "{pod}" is waiting to start: {view.state.reason}\n'
        )
    return view.restarts


def _selection(query: Mapping[str, str]) -> Selection:
    since = None
    if seconds := _number(query, "sinceSeconds"):
        since = datetime.now(UTC) - timedelta(seconds=seconds)
    elif moment := query.get("sinceTime"):
        since = datetime.fromisoformat(moment)
    return Selection(
        tail_lines=_number(query, "tailLines"),
        since=since,
        timestamps=query.get("timestamps") == "true",
        limit_bytes=_number(query, "limitBytes"),
    )


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if text and not text.isdecimal():
        raise web.HTTPBadRequest(text=f"{name} must be a whole number\n")
    return int(text) if text else None
