"""`python -m hack.cluster.addresses --home DIR`: the egress and the service proxy of a cluster."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from hack.cluster.addresses.egress import serve_egress
from hack.cluster.addresses.routes import routes
from hack.cluster.addresses.services import Listeners, serve_services
from hack.cluster.layout import Layout
from hack.cluster.probe import Probe
from kaito.kube.client import Client

NAME = "kaito-local-addresses"
POLL_SECONDS = 0.1


async def serve(layout: Layout) -> None:
    """Run both proxies until SIGTERM or SIGINT.

    The way to the API server is open before it answers; the egress socket, which says that
    this program is ready, is there after it.
    """
    own = asyncio.current_task()
    assert own is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, own.cancel)
    listeners = Listeners()
    try:
        await listeners.follow(routes(layout, (), ()))
        async with await serve_egress(layout):
            await _until_api_answers(layout)
            await _follow_services(layout, listeners)
    except asyncio.CancelledError:
        return
    finally:
        listeners.close()


async def _until_api_answers(layout: Layout) -> None:
    api = Probe.as_admin(layout, layout.ports.api_server)
    while True:
        if await api.succeeds("/readyz"):
            return
        await asyncio.sleep(POLL_SECONDS)


async def _follow_services(layout: Layout, listeners: Listeners) -> None:
    client = await Client.connect(
        user_agent=NAME, field_manager=NAME, kubeconfig=str(layout.node_kubeconfig)
    )
    try:
        await serve_services(layout, client, listeners)
    finally:
        await client.close()


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m hack.cluster.addresses", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the cluster's folder")
    asyncio.run(serve(Layout.load(parser.parse_args().home)))


if __name__ == "__main__":
    main()
