"""`status`: the tree of a Workspace, from what was asked for down to what runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kaito.api import labels
from kaito.api.workspace import READY, STALLED
from kaito.cli.branch import Branch, Tone
from kaito.cli.scene import Claim, Scene, Workload, kind_of, obstacle
from kaito.kube.conditions import condition, is_true
from kaito.kube.kinds import ContainerStatus, Job, Node, Pod
from kaito.workloads.diagnosis import first_cause

_UNTOUCHED = "MachineNotLaunched"
"""Reason of a Machine's stages that nobody has come to yet; a NodeClaim's are Unknown."""


def tree(scene: Scene) -> Branch:
    """The Workspace and everything that was made for it."""
    workspace = scene.workspace
    whole = condition(workspace.status.conditions, READY)
    state, tone = _state(scene)
    note = f"{whole.reason}: {whole.message}" if whole else "no controller has looked at it yet"
    return Branch(
        "Workspace",
        str(workspace.ref),
        state,
        tone,
        scene.age_seconds(workspace.metadata.creation_timestamp),
        (*(() if tone is Tone.GOOD else (note,)), *scene.hidden),
        (*_claims(scene), *_nodes(scene), *_workloads(scene), *_service(scene)),
    )


def _state(scene: Scene) -> tuple[str, Tone]:
    """The Workspace in one word, and how that is meant."""
    workspace = scene.workspace
    if workspace.is_deleting:
        return "Deleting", Tone.BUSY
    if is_true(workspace.status.conditions, STALLED):
        return "Stalled", Tone.BAD
    if is_true(workspace.status.conditions, READY):
        return workspace.status.state or "Ready", Tone.GOOD
    return workspace.status.state or "Pending", Tone.BUSY


def _claims(scene: Scene) -> Iterable[Branch]:
    """Each claim with the node that it got."""
    for claim in scene.claims:
        node = next(
            (each for each in scene.nodes if each.metadata.name == claim.status.node_name), None
        )
        yield _claim(scene, claim, (_node(scene, node),) if node else ())


def _claim(scene: Scene, claim: Claim, children: tuple[Branch, ...]) -> Branch:
    """One claim: the stage that it waits for, or that it has them all."""
    waits = obstacle(claim)
    types = claim.spec.values(labels.INSTANCE_TYPE)
    told = bool(claim.status.conditions)
    notes = [] if told else ["no provisioner has looked at it yet"]
    if waits:
        notes.append(f"{waits.reason}: {waits.message}".rstrip(": "))
    if claim.is_deleting:
        state, tone = "Deleting", Tone.BUSY
    elif waits:
        state = f"waits for {waits.type}"
        failed = waits.status == "False" and waits.reason != _UNTOUCHED
        tone = Tone.BAD if failed else Tone.BUSY
    else:
        state, tone = ("Ready", Tone.GOOD) if told else ("Pending", Tone.BUSY)
    shown = f"{state} ({', '.join(types)})" if types else state
    age = scene.age_seconds(claim.metadata.creation_timestamp)
    return Branch(kind_of(claim), claim.metadata.name, shown, tone, age, tuple(notes), children)


def _nodes(scene: Scene) -> Iterable[Branch]:
    """Nodes that no claim of ours brought."""
    claimed = {claim.status.node_name for claim in scene.claims}
    return (_node(scene, node) for node in scene.nodes if node.metadata.name not in claimed)


def _node(scene: Scene, node: Node) -> Branch:
    """One node with the Workspace's pods on it."""
    ready = condition(node.status.conditions, "Ready")
    gpus = node.status.allocatable.get(labels.GPU, "0")
    notes = []
    if ready is None or ready.status != "True":
        notes.append(ready.message if ready and ready.message else "its kubelet is silent")
    if gpus == "0":
        notes.append(f"reports no {labels.GPU}: the driver or the device plugin is not there yet")
    cordoned = ", cordoned" if node.spec.unschedulable else ""
    is_ready = ready is not None and ready.status == "True"
    state = f"{'Ready' if is_ready else 'NotReady'}{cordoned}, GPUs: {gpus}"
    tone = Tone.GOOD if is_ready and not cordoned and gpus != "0" else Tone.BUSY
    on_it = tuple(
        _pod(scene, pod) for pod in scene.pods if pod.spec.node_name == node.metadata.name
    )
    age = scene.age_seconds(node.metadata.creation_timestamp)
    return Branch("Node", node.metadata.name, state, tone, age, tuple(notes), on_it)


def _workloads(scene: Scene) -> Iterable[Branch]:
    """What runs the pods, with those pods that are on no node of the tree."""
    known = {node.metadata.name for node in scene.nodes}
    stray = tuple(_pod(scene, pod) for pod in scene.pods if pod.spec.node_name not in known)
    for position, workload in enumerate(scene.workloads):
        yield _workload(scene, workload, stray if position == 0 else ())
    if not scene.workloads:
        yield from stray


def _workload(scene: Scene, workload: Workload, children: tuple[Branch, ...]) -> Branch:
    """One Deployment, StatefulSet or Job."""
    if isinstance(workload, Job):
        done = is_true(workload.status.conditions, "Complete")
        failed = is_true(workload.status.conditions, "Failed")
        state = "Complete" if done else "Failed" if failed else f"active: {workload.status.active}"
        tone = Tone.GOOD if done else Tone.BAD if failed else Tone.BUSY
    else:
        ready, wanted = workload.status.ready_replicas, workload.spec.replicas
        state = f"{ready}/{wanted} ready"
        tone = Tone.GOOD if ready >= wanted else Tone.BUSY
    age = scene.age_seconds(workload.metadata.creation_timestamp)
    return Branch(kind_of(workload), workload.metadata.name, state, tone, age, (), children)


def _service(scene: Scene) -> Iterable[Branch]:
    """The address."""
    if scene.service:
        spec = scene.service.spec
        ports = ",".join(f"{port.port}/{port.protocol}" for port in spec.ports)
        age = scene.age_seconds(scene.service.metadata.creation_timestamp)
        name = scene.service.metadata.name
        yield Branch("Service", name, f"{spec.cluster_ip} {ports}", Tone.PLAIN, age)


def _pod(scene: Scene, pod: Pod) -> Branch:
    """One pod in the words that `kubectl get pods` has for it."""
    containers = pod.status.container_statuses
    ready = sum(each.ready for each in containers)
    cause = first_cause((pod,), now=scene.now, spec=scene.replica_spec)
    waiting = _waiting((*pod.status.init_container_statuses, *containers))
    state = "Deleting" if pod.is_deleting else waiting or pod.status.reason or pod.status.phase
    well = pod.status.phase == "Succeeded" or (bool(containers) and ready == len(containers))
    tone = Tone.GOOD if well else Tone.BAD if cause else Tone.BUSY
    shown = f"{state or 'Pending'} {ready}/{len(containers)}" if containers else state or "Pending"
    age = scene.age_seconds(pod.metadata.creation_timestamp)
    notes = (cause.message,) if cause else ()
    return Branch("Pod", pod.metadata.name, shown, tone, age, notes)


def _waiting(containers: Iterable[ContainerStatus]) -> str:
    """Why the first container that does not run does not."""
    for container in containers:
        state = container.state
        if state.waiting and state.waiting.reason:
            return state.waiting.reason
        if state.terminated and state.terminated.exit_code:
            return state.terminated.reason or "Error"
    return ""
