"""The kubelet's API over TLS, as the API server asks it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from hack.cluster.kubelet.api import KubeletApi
from hack.cluster.kubelet.fields import Place
from hack.cluster.kubelet.host import Host
from hack.cluster.kubelet.machine import Machine
from hack.cluster.kubelet.podworker import PodWorker
from hack.cluster.layout import KUBELET_PORT, loopback
from hack.cluster.pki import create_pki
from kaito.kube.objects import Ref
from tests.unit.cluster.kubelet.builders import PLACE, a_container, a_pod, an_instance

MACHINE = Machine(an_instance(), 0, 54321)
LINES = "2026-01-01T00:00:01.000000000Z stdout F one\n2026-01-01T00:00:02.000000000Z stdout F two\n"


@pytest.fixture
async def address(host: Host) -> AsyncIterator[str]:
    """A node's API that knows one pod, default/web, whose container has ended once."""
    layout = host.layout
    create_pki(layout)
    ended = {"name": "main", "state": {"terminated": {"exitCode": 0}}}
    pod = a_pod(a_container(), a_container("fresh")).model_dump(by_alias=True)
    worker = PodWorker(
        host,
        type(a_pod()).model_validate(pod | {"status": {"containerStatuses": [ended]}}),
        Place(PLACE.node_name, PLACE.host_ip, PLACE.pod_ip, {}),
    )
    log = worker.log("main", 0)
    log.parent.mkdir(parents=True)
    log.write_text(LINES)
    api = KubeletApi(layout, {Ref("default", "web"): worker}.get)
    await api.start()
    await api.listen(MACHINE)
    yield f"https://{loopback(layout.node_address(MACHINE.number))}:{KUBELET_PORT}"
    await api.stop()


async def asked(host: Host, url: str, *, name: str = "apiserver-kubelet-client") -> tuple[int, str]:
    """Status and text of the answer to the client of that certificate, "" for none."""
    pki: Path = host.layout.pki
    context = ssl.create_default_context(cafile=pki / "ca.crt")
    if name:
        context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    async with aiohttp.ClientSession() as http, http.get(url, ssl=context) as answer:
        return answer.status, await answer.text()


async def test_a_node_says_that_it_is_well(host: Host, address: str) -> None:
    assert await asked(host, f"{address}/healthz") == (200, "ok")


async def test_the_logs_of_a_container_are_served(host: Host, address: str) -> None:
    base = f"{address}/containerLogs/default/web/main"

    assert await asked(host, base) == (200, "one\ntwo\n")
    assert await asked(host, f"{base}?tailLines=1") == (200, "two\n")
    assert await asked(host, f"{base}?follow=true") == (200, "one\ntwo\n")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("web/main?previous=true", 400),
        ("web/fresh", 400),
        ("web/none", 404),
        ("none/main", 404),
        ("web/main?tailLines=x", 400),
    ],
)
async def test_logs_that_cannot_be_had_are_refused_with_a_reason(
    host: Host, address: str, query: str, status: int
) -> None:
    found, text = await asked(host, f"{address}/containerLogs/default/{query}")

    assert found == status
    assert text.strip()


@pytest.mark.parametrize("verb", ["exec", "attach", "portForward"])
async def test_what_is_not_offered_says_so(host: Host, address: str, verb: str) -> None:
    status, text = await asked(host, f"{address}/{verb}/default/web/main")

    assert status == 501
    assert "offers no exec" in text


async def test_nobody_but_the_api_server_is_answered(host: Host, address: str) -> None:
    status, _ = await asked(host, f"{address}/healthz", name="controller-manager")
    assert status == 403

    with pytest.raises(aiohttp.ClientError):
        await asked(host, f"{address}/healthz", name="")
