"""`hack/local`: the operator and all that it needs, on this machine, as long as you like.

  hack/local up         bring it up (minutes at first, then seconds)
  hack/local shell      a shell that reaches it, with kubectl, kubectl kaito and KUBECONFIG set
  kubectl apply -f manifests/examples/inference-phi-3-mini.yaml
  kubectl get workspace --watch
  exit
  hack/local down       take it down

It runs a real Kubernetes control plane, an ARM server in place of Azure, and a kubelet that
starts containers as processes. All of it listens on loopback only. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.cluster.cache import cache_folder
from hack.cluster.failures import AlreadyUp, ClusterFailed
from hack.cluster.ground import check_ground
from hack.cluster.layout import Layout
from hack.cluster.namespace import (
    ensure_low_ports,
    has_moved,
    join,
    shares_network,
)
from hack.cluster.parts import USUAL, waves
from hack.cluster.prepare import prepare
from hack.cluster.registry.server import ACCOUNT, address, is_installed
from hack.cluster.state import State, held_home
from hack.cluster.supervisor import bring_up, supervise, take_down

IN_PLACE = "hack/local shell has kubectl, kubectl kaito and KUBECONFIG; any other shell by:"
IN_SHELL = "it has a network of its own; enter it by: hack/local shell"

Verb = Callable[[argparse.Namespace], None]


def up(arguments: argparse.Namespace) -> None:
    """Bring the cluster up."""
    report = _progress()
    state = State.load(arguments.home)
    if state is not None and state.supervisor.is_alive:
        raise AlreadyUp(f"it is up already: {arguments.home}")
    # Ended in either way, it stops what it has started so far.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    check_ground()
    prepare(cache_folder(), offline=arguments.offline, report=report)
    ensure_low_ports(_again(sys.argv[1:]))
    bring_up(arguments.home, offline=arguments.offline, report=report)
    report(f"ready: {IN_SHELL if has_moved() else IN_PLACE}")
    if not has_moved():
        print(f"  {Layout.load(arguments.home).exports}")


def down(arguments: argparse.Namespace) -> None:
    """Stop everything and remove the cluster's folder."""
    take_down(arguments.home, report=_progress())
    if not arguments.keep and (arguments.home / "layout.json").exists():
        with held_home(arguments.home):
            shutil.rmtree(arguments.home)


def status(arguments: argparse.Namespace) -> None:
    """Print a table of the parts."""
    state = _state(arguments.home)
    join(state.supervisor.pid, _again(sys.argv[1:]))
    layout = Layout.load(arguments.home)
    pids = {part.name: part.pid for part in state.parts if part.is_alive}
    print(f"{'PART':<26}{'PID':<9}{'READY':<8}ADDRESS")
    for wave in waves(layout, USUAL):
        for part in wave:
            name = part.program.name
            ready = name in pids and asyncio.run(_ask(part.ready))
            pid = str(pids.get(name, "-"))
            print(f"{name:<26}{pid:<9}{'yes' if ready else 'no':<8}{part.address}")


def logs(arguments: argparse.Namespace) -> None:
    """Print what the parts have written."""
    folder = arguments.home / "logs"
    pattern = f"{arguments.part}.log" if arguments.part else "*.log"
    files = sorted(str(path) for path in folder.glob(pattern))
    if not files:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log"))) or "none"
        raise ClusterFailed(f"no log of {arguments.part or 'any part'}; there are: {known}")
    how = ["--lines=+1", "--follow=name"] if arguments.follow else ["--lines=+1"]
    subprocess.run(["tail", *how, *files], check=False)


def kubeconfig(arguments: argparse.Namespace) -> None:
    """Print the path of the administrator's kubeconfig."""
    if not shares_network(_state(arguments.home).supervisor.pid):
        print(f"this shell cannot reach the cluster: {IN_SHELL}", file=sys.stderr)
    print(Layout.load(arguments.home).admin_kubeconfig)


def shell(arguments: argparse.Namespace) -> None:
    """Run a command, or $SHELL, in the cluster's network with KUBECONFIG set."""
    state = _state(arguments.home)
    join(state.supervisor.pid, _again(sys.argv[1:]))
    layout = Layout.load(arguments.home)
    command = arguments.command or [os.environ.get("SHELL", "/bin/sh")]
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:{layout.binaries}"
    environment = {**os.environ, "KUBECONFIG": str(layout.admin_kubeconfig), "PATH": path}
    raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)


def registry(arguments: argparse.Namespace) -> None:
    """Print how to reach the OCI registry, and the command that makes its pull secret."""
    _state(arguments.home)
    layout = Layout.load(arguments.home)
    if not is_installed(layout):
        raise ClusterFailed("this cluster has no registry: hack/local up says why")
    print(f"address   {address(layout)}")
    print(f"account   {ACCOUNT.user}, password {ACCOUNT.password}")
    print(f"authority {layout.ca_certificate}")
    print(
        "a secret to pull and push with:\n  kubectl create secret docker-registry local-registry"
        f" --docker-server={address(layout)} --docker-username={ACCOUNT.user}"
        f" --docker-password={ACCOUNT.password}"
    )


def supervisor(arguments: argparse.Namespace) -> None:
    """Be the supervisor; `up` starts it."""
    asyncio.run(supervise(arguments.home, offline=arguments.offline))


def main() -> int:
    """Run one verb; returns the exit code."""
    if sys.platform != "linux":
        print("hack/local needs Linux: namespaces and bubblewrap", file=sys.stderr)
        return 1
    arguments = _parser().parse_args()
    arguments.home = arguments.home.absolute()
    try:
        arguments.verb(arguments)
    except AlreadyUp as notice:
        print(notice)
    except ClusterFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


VERBS: tuple[Verb, ...] = (up, down, status, logs, kubeconfig, shell, registry, supervisor)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hack/local",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    parsers = {}
    for verb in VERBS:
        text = str(verb.__doc__)
        added = verbs.add_parser(verb.__name__, help=text, description=text)
        added.set_defaults(verb=verb)
        home = cache_folder() / "clusters" / "default"
        added.add_argument("--home", type=Path, default=home, help="its folder (%(default)s)")
        parsers[verb] = added
    for verb in (up, supervisor):
        parsers[verb].add_argument(
            "--offline",
            action="store_true",
            default=bool(os.environ.get("KAITO_OFFLINE")),
            help="download nothing",
        )
    parsers[down].add_argument("--keep", action="store_true", help="keep the folder and its logs")
    parsers[logs].add_argument("part", nargs="?", metavar="PART")
    parsers[logs].add_argument("-f", "--follow", action="store_true", help="go on as they grow")
    parsers[shell].add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser


def _state(home: Path) -> State:
    state = State.load(home)
    if state is None or not state.supervisor.is_alive:
        raise ClusterFailed(f"no local cluster runs in {home}: hack/local up")
    return state


def _again(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "hack.cluster", *words]


async def _ask(ready: Callable[[], object]) -> bool:
    answer = ready()
    return bool(await answer) if asyncio.iscoroutine(answer) else False


def _progress() -> Callable[[str], None]:
    started = time.monotonic()
    return lambda line: print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
