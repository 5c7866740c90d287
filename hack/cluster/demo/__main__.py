"""`hack/demo`: the quick start on this machine, from `kubectl apply` to an answer and back.

It brings up a real Kubernetes control plane, an ARM server in place of Azure and a kubelet
that starts containers as processes, all on loopback; applies manifests/examples/
inference-phi-3-mini.yaml; shows what happens; deletes it; and stops all it has started.
Exit code 0 means that every step was seen. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Coroutine

import aiohttp

from hack.cluster.cache import cache_folder
from hack.cluster.demo.progress import process_seconds, say
from hack.cluster.demo.story import Story
from hack.cluster.demo.tuning import TuningStory
from hack.cluster.failures import ClusterFailed
from hack.cluster.ground import check_ground
from hack.cluster.namespace import ensure_low_ports
from hack.cluster.prepare import prepare
from hack.cluster.session import running
from hack.cluster.state import State, fresh_home
from kaito.kube.errors import KubeError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the demo; returns the exit code."""
    if sys.platform != "linux":
        print("hack/demo needs Linux: namespaces and bubblewrap", file=sys.stderr)
        return 1
    arguments = _arguments()
    try:
        check_ground()
        _check_curl()
        prepare(cache_folder(), offline=arguments.offline, report=say)
        ensure_low_ports([sys.executable, "-m", "hack.cluster.demo", *sys.argv[1:]])
        asyncio.run(_until_signal(_demo(offline=arguments.offline, tune=arguments.tune)))
    except ClusterFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except (TimeoutError, KubeError, aiohttp.ClientError) as failure:
        print(f"the cluster does not answer: {failure!r}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted: everything has been stopped", file=sys.stderr)
        return 130
    say("done")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hack/demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    offline = bool(os.environ.get("KAITO_OFFLINE"))
    parser.add_argument(
        "--tune", action="store_true", help="teach the model a sentence, and serve the adapter"
    )
    parser.add_argument("--offline", action="store_true", default=offline, help="download nothing")
    return parser.parse_args()


def _check_curl() -> None:
    """The answer is shown as a user gets it, through curl."""
    if shutil.which("curl") is None:
        raise ClusterFailed("curl is missing: apt-get install curl")


async def _until_signal(work: Coroutine[None, None, None]) -> None:
    """Do the work; the first signal cancels it, so that all it has started is stopped in order."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def cancel_once() -> None:
        for number in SIGNALS:
            loop.add_signal_handler(number, lambda: None)
        say("stopping everything")
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, cancel_once)
    await task


async def _demo(*, offline: bool, tune: bool) -> None:
    """Bring a cluster up, tell the story, take the cluster down."""
    home = fresh_home(cache_folder() / "clusters", "demo-")
    async with running(home=home, offline=offline, registry=tune, report=say) as layout:
        say("the cluster is up")
        story = TuningStory(layout) if tune else Story(layout)
        await story.run()
        parts = State.load(home)
    alive = [part.name for part in parts.parts if part.is_alive] if parts else []
    if alive:
        raise ClusterFailed(f"still running: {', '.join(alive)}")
    say(f"every process has stopped; {process_seconds():.1f} s in all")


if __name__ == "__main__":
    raise SystemExit(main())
