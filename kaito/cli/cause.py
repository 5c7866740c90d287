"""`why`: the one cause for which a Workspace is not ready, and what helps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta

from kaito.api.workspace import READY, STALLED
from kaito.cli.branch import PLAIN, Pen, duration, text
from kaito.cli.remedies import remedy_of
from kaito.cli.reply import NO, SUCCESS, Reply, as_json
from kaito.cli.scene import Claim, Scene, kind_of, obstacle
from kaito.kube.conditions import condition, is_true
from kaito.kube.kinds import Node, Pod
from kaito.workloads.diagnosis import first_cause, heard

UNSEEN = "NotObserved"
"""No controller has looked at the present spec."""
_INDENT = len("remedy:  ")
UNSEEN_GRACE = timedelta(seconds=10)
_QUIET = (
    "look whether the operator runs (`kubectl get pods --all-namespaces --selector"
    " app.kubernetes.io/part-of=kaito`) and read its log"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a Workspace is as it is.

    Attributes:
        ready: it does what it should; the rest says so, too.
        stalled: nothing changes until a person acts.
        subject: the object in which the cause shows, as "Kind name".
        reason: in one word.
        message: in the words of whoever found it.
        remedy: what a person can do.
        seconds: how long it has been so; None where nobody noted it.
        deleting: a person wants it gone, and it goes.
    """

    ready: bool
    stalled: bool
    subject: str
    reason: str
    message: str
    remedy: str
    seconds: float | None = None
    deleting: bool = False


def finding(scene: Scene) -> Finding:
    """The cause that is closest to the trouble."""
    workspace = scene.workspace
    subject = f"Workspace {workspace.ref}"
    whole = condition(workspace.status.conditions, READY)
    if whole is None or workspace.status.observed_generation < workspace.metadata.generation:
        return _unseen(scene, subject)
    deeper = None if whole.status == "True" else next(_deeper(scene, whole.reason), None)
    stalled = is_true(workspace.status.conditions, STALLED)
    reason, message = (deeper.reason, deeper.message) if deeper else (whole.reason, whole.message)
    return Finding(
        ready=whole.status == "True",
        stalled=stalled,
        subject=deeper.subject if deeper else subject,
        reason=reason,
        message=message,
        remedy=remedy_of(reason, otherwise=whole.reason),
        seconds=scene.age_seconds(whole.last_transition_time),
        deleting=workspace.is_deleting,
    )


def reply(found: Finding, *, output: str, pen: Pen = PLAIN) -> Reply:
    """The finding in words, or as data."""
    code = SUCCESS if found.ready else NO
    if output == "json":
        return Reply(as_json(asdict(found)), code)
    since = f" for {duration(found.seconds)}" if found.seconds is not None else ""
    told = {
        "state:": f"{_state(found)}{since}",
        "where:": found.subject,
        "cause:": f"{found.reason}: {found.message}".rstrip(": "),
        "remedy:": found.remedy,
    }
    lines = [line for word, sentence in told.items() for line in _beside(word, sentence, pen)]
    return Reply(text(lines), code)


def _state(found: Finding) -> str:
    """The Workspace in a word or two."""
    if found.deleting:
        return "deleting"
    return "ready" if found.ready else "stalled" if found.stalled else "not ready yet"


def _beside(word: str, sentence: str, pen: Pen) -> Iterator[str]:
    """A sentence in the lines that it takes, the first of them beside a word."""
    for line in pen.broken(sentence, _INDENT):
        yield f"{word.ljust(_INDENT)}{line}"
        word = ""


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What stands in the way below the Workspace."""

    subject: str
    reason: str
    message: str


def _unseen(scene: Scene, subject: str) -> Finding:
    """No controller has said anything about this generation: early on that is no trouble."""
    created = scene.workspace.metadata.creation_timestamp
    age = scene.age_seconds(created)
    late = age is not None and age > UNSEEN_GRACE.total_seconds()
    message = "no controller has looked at the present spec"
    remedy = _QUIET if late else "nothing to do: it was just applied"
    return Finding(
        ready=False,
        stalled=False,
        subject=subject,
        reason=UNSEEN,
        message=message,
        remedy=remedy,
        seconds=age,
    )


def _deeper(scene: Scene, reason: str) -> Iterator[_Trouble]:
    """Troubles of the stage that the Workspace is in, the deciding one first."""
    if reason in {"WaitingForMachines", "ReplacingMachines", "MachineFailed"}:
        yield from _of_claims(scene.claims)
    if reason in {"WaitingForMachines", "NodesNotReady"}:
        yield from _of_nodes(scene.nodes)
    if reason in {"Applying", "WorkloadProgressing"}:
        yield from _of_pods(scene)
    if reason == "MachinesDeleting":
        yield from _of_claims(claim for claim in scene.claims if claim.is_deleting)


def _of_claims(claims: Iterable[Claim]) -> Iterator[_Trouble]:
    """Claims that are not through."""
    for claim in claims:
        subject = f"{kind_of(claim)} {claim.metadata.name}"
        waits = obstacle(claim)
        if waits:
            yield _Trouble(subject, waits.reason or waits.type, waits.message)
        elif not claim.status.conditions:
            yield _Trouble(subject, UNSEEN, "no provisioner has looked at it")


def _of_nodes(nodes: Iterable[Node]) -> Iterator[_Trouble]:
    """Nodes whose kubelet does not say that they are ready."""
    for node in nodes:
        ready = condition(node.status.conditions, "Ready")
        if ready is None or ready.status != "True":
            message = ready.message if ready else "its kubelet is silent"
            yield _Trouble(f"Node {node.metadata.name}", "NodeNotReady", message)


def _of_pods(scene: Scene) -> Iterator[_Trouble]:
    """What keeps pods from running, else what they are busy with."""
    pods = heard(scene.pods, now=scene.now)
    for pod in pods:
        cause = first_cause((pod,), now=scene.now, spec=scene.replica_spec)
        if cause:
            yield _Trouble(f"Pod {pod.metadata.name}", str(cause.reason), cause.message)
    for pod in pods:
        yield from _busy(pod)


def _busy(pod: Pod) -> Iterator[_Trouble]:
    """A pod that takes its time."""
    for container in pod.status.container_statuses:
        waiting = container.state.waiting
        if waiting:
            yield _Trouble(f"Pod {pod.metadata.name}", waiting.reason, waiting.message)
        elif not container.ready:
            message = (
                f"container {container.name} has started, and is not ready: it loads the model"
            )
            yield _Trouble(f"Pod {pod.metadata.name}", "ModelLoading", message)
