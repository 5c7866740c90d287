"""Questions that a cluster answers: `status`, `why` and `chat`, from flags to exit code."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches

from kaito.cli import branch, cause, settings
from kaito.cli.chat import CutOff, Talk, Wishes
from kaito.cli.look import Looker
from kaito.cli.reply import NO, SUCCESS, UNREACHABLE, USAGE, Reply, as_json
from kaito.cli.scene import Scene
from kaito.cli.tree import tree
from kaito.kube import VERSION
from kaito.kube.client import Client
from kaito.kube.conditions import is_true
from kaito.kube.errors import KubeError, NotFound
from kaito.kube.objects import Ref

LOOK_SECONDS = 1.0
"""From one look of a live view to the next."""

_CLEAR = "\x1b[H\x1b[J"
_PROMPT = "> "
_SHOWN = 3
"""Names that are offered for one that nobody has."""


def run(given: argparse.Namespace) -> int:
    """Answer, and return the exit code."""
    try:
        return asyncio.run(_answer(given))
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        return SUCCESS
    except (KubeError, ValueError, OSError) as error:
        sys.stderr.write(f"{_explained(error)}\n")
        return UNREACHABLE


async def _answer(given: argparse.Namespace) -> int:
    """Connect and do what was asked for."""
    paths = settings.kubeconfigs(given.kubeconfig)
    space = given.namespace or settings.namespace(paths, given.context)
    async with _connected(paths, given.context) as client:
        ref = Ref(space, given.name)
        if given.command == "chat":
            return await _chat(client, ref, given)
        if given.command == "status" and given.watch:
            return await _watch(client, ref, given)
        return _written(await _looked(client, ref, given))


async def _looked(client: Client, ref: Ref, given: argparse.Namespace) -> Reply:
    """One look, as text."""
    looker = Looker(client)
    scene = await looker.scene(ref)
    if scene is None:
        return _missing(ref, await looker.others(ref.namespace))
    if given.command == "why":
        pen = settings.pen(sys.stdout)
        return cause.reply(cause.finding(scene), output=given.output, pen=pen)
    return _drawn(scene, output=given.output)


def _drawn(scene: Scene, *, output: str) -> Reply:
    """The tree of a look."""
    code = SUCCESS if is_true(scene.workspace.status.conditions, "Ready") else NO
    root = tree(scene)
    if output == "json":
        return Reply(as_json(branch.plain(root)), code)
    return Reply(branch.text(branch.drawn(root, settings.pen(sys.stdout))), code)


async def _watch(client: Client, ref: Ref, given: argparse.Namespace) -> int:
    """Look again and again: in place on a terminal, else whenever the text changes."""
    clear = _CLEAR if settings.is_terminal(sys.stdout) else ""
    last = ""
    while True:
        reply = await _looked(client, ref, given)
        if reply.code == USAGE:
            return _written(reply) if not last else SUCCESS
        if clear or reply.text != last:
            sys.stdout.write(f"{clear}{reply.text}")
            sys.stdout.flush()
        last = reply.text
        await asyncio.sleep(LOOK_SECONDS)


async def _chat(client: Client, ref: Ref, given: argparse.Namespace) -> int:
    """One question, or as many as are typed."""
    wishes = Wishes(given.max_tokens, given.temperature, given.system)
    talk = Talk(client, ref, wishes)
    if given.question:
        return await _asked(talk, " ".join(given.question), client)
    prompt = _PROMPT if settings.is_terminal() else ""
    while True:
        sys.stdout.write(prompt)
        sys.stdout.flush()
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return SUCCESS
        if line.strip():
            code = await _asked(talk, line.strip(), client)
            if code != SUCCESS:
                return code


async def _asked(talk: Talk, question: str, client: Client) -> int:
    """Ask once and show the answer; where none comes, say why the Workspace has none."""
    try:
        await talk.ask(question, _show)
    except CutOff as error:
        _show("\n")
        sys.stderr.write(f"{error}\n")
        return UNREACHABLE
    except KubeError as error:
        looker = Looker(client)
        scene = await looker.scene(talk.service)
        if scene is None:
            others = await looker.others(talk.service.namespace)
            return _written(_missing(talk.service, others))
        found = cause.finding(scene)
        if found.ready:
            raise
        sys.stderr.write(f"{talk.service} does not answer: {error.message}\n")
        return _written(cause.reply(found, output="table", pen=settings.pen(sys.stdout)))
    _show("\n")
    return SUCCESS


def _show(text: str) -> None:
    """Write at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _missing(ref: Ref, others: Sequence[str]) -> Reply:
    """What is said of a name that nobody has."""
    close = get_close_matches(ref.name, others, n=_SHOWN, cutoff=0.0)
    there = f"there are {', '.join(close)}" if close else "there is none"
    return Reply(
        f"no Workspace is named {ref.name} in namespace {ref.namespace}, {there}: --namespace names"
        " another\n",
        USAGE,
    )


def _written(reply: Reply) -> int:
    """Write a reply and return its exit code."""
    (sys.stderr if reply.code == USAGE else sys.stdout).write(reply.text)
    return reply.code


def _explained(error: Exception) -> str:
    """One sentence about a cluster that gave no answer."""
    if isinstance(error, NotFound):
        return "the API server knows no Workspaces: install KAITO (docs/guides)"
    if isinstance(error, ValueError):
        return f"{error}: --kubeconfig, $KUBECONFIG or ~/.kube/config must name a cluster"
    if isinstance(error, KubeError):
        return f"the API server did not answer as asked: {error.message or error.reason}"
    return str(error)


@asynccontextmanager
async def _connected(paths: str, context: str) -> AsyncIterator[Client]:
    """A client while the block runs."""
    client = await Client.connect(
        user_agent=f"kubectl-kaito/{VERSION}",
        field_manager="kubectl-kaito",
        kubeconfig=paths,
        context=context,
    )
    try:
        yield client
    finally:
        await client.close()
