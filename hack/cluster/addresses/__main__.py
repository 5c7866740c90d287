"""`python -m hack.cluster.addresses --home DIR`: the egress and the service proxy of a cluster."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from hack.cluster.addresses.egress import serve_egress
from hack.cluster.addresses.services import serve_services
from hack.cluster.layout import Layout
from kaito.kube.client import Client

NAME = "kaito-local-addresses"


async def serve(layout: Layout) -> None:
    """Run both proxies until SIGTERM or SIGINT."""
    own = asyncio.current_task()
    assert own is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, own.cancel)
    egress = await serve_egress(layout)
    try:
        client = await Client.connect(
            user_agent=NAME, field_manager=NAME, kubeconfig=str(layout.node_kubeconfig)
        )
        try:
            await serve_services(layout, client)
        finally:
            await client.close()
    except asyncio.CancelledError:
        return
    finally:
        egress.close()
        layout.egress_socket.unlink(missing_ok=True)


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m hack.cluster.addresses", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the cluster's folder")
    asyncio.run(serve(Layout.load(parser.parse_args().home)))


if __name__ == "__main__":
    main()
