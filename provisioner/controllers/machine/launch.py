"""Phases that lead to a running instance: store the finalizer, then launch, once."""

from __future__ import annotations

from dataclasses import replace

from kaito.api import labels
from kaito.kube.errors import InvalidSpec
from provisioner.cloud import INSTANCE_LIMIT, Instance, InstanceState
from provisioner.controllers.machine.initialization import TRUE, awaited
from provisioner.controllers.machine.kinds import Aspect
from provisioner.controllers.machine.observe import Observed
from provisioner.controllers.machine.order import ON_DEMAND, SPOT
from provisioner.controllers.machine.reasons import Reason
from provisioner.controllers.machine.step import (
    DONE,
    FAILED,
    WAITING,
    AddFinalizer,
    Launch,
    Step,
    Terminate,
    done,
    failed,
    hold,
)
from provisioner.failures import CloudError, ClusterFull, LaunchFailed, meaning, sentence

_ASPECT = Aspect.LAUNCHED

BRIEF_SECONDS = 1.0
"""What is over so soon is not told of by itself: in a burst, launches would wait behind it."""

JOIN_SECONDS = 3.0
"""A node that joins so soon after its instance runs is told of together with that."""

LIMIT_SECONDS = 60.0
"""From one look at a full cluster to the next."""


def ensure_finalizer(seen: Observed) -> Step:
    """The finalizer is stored before anything is bought."""
    if labels.TERMINATION_FINALIZER in seen.claim.metadata.finalizers:
        return done(_ASPECT, Reason.ADOPTING)
    derived = seen.name != seen.claim.metadata.name
    noted = ((labels.POOL_NAME, seen.name),) if derived else ()
    taken = AddFinalizer(_shown(seen), noted)
    return hold(_ASPECT, Reason.ADOPTING, "The claim is being taken up", taken)


def _shown(seen: Observed) -> tuple[tuple[str, str], ...]:
    """What is known of the machine before there is one, as labels of the claim."""
    if isinstance(seen.order, InvalidSpec):
        return ()
    capacity_type = SPOT if seen.order.spot else ON_DEMAND
    shown = ((labels.INSTANCE_TYPE, seen.order.vm_size), (labels.CAPACITY_TYPE, capacity_type))
    zones = seen.claim.spec.values(labels.ZONE)
    return (*shown, (labels.ZONE, zones[0])) if len(zones) == 1 else shown


def ensure_launched(seen: Observed) -> Step:
    """One instance of the claim's name runs, and it is this claim's."""
    if seen.instance is None:
        return _vanished(seen) if seen.was_launched else _absent(seen)
    if not seen.owned and seen.was_launched:
        return _in_cloud(_lost(seen, "was replaced"))
    if not seen.owned:
        said = (
            f"Agent pool {seen.name} exists and was not created for this claim."
            " Delete that pool, or create the claim under another name"
        )
        return _in_cloud(failed(_ASPECT, Reason.NAME_TAKEN, said))
    return _present(seen, seen.instance)


def _present(seen: Observed, instance: Instance) -> Step:
    """The claim's own instance exists.

    Once it has run, only its end counts: an update that fails, of a pool whose machine serves,
    is no reason to throw the machine away.
    """
    if seen.was_launched and instance.state is InstanceState.DELETING:
        return _in_cloud(_lost(seen, "is being deleted"))
    if seen.was_launched:
        return done(_ASPECT, Reason.LAUNCHED)
    if _runs(seen, instance):
        since = _changed_at(seen)
        return _brief(seen, done(_ASPECT, Reason.LAUNCHED), since=since, seconds=JOIN_SECONDS)
    if instance.state is InstanceState.FAILED:
        return _broken(seen, instance)
    if instance.state is InstanceState.PENDING:
        step = _brief(seen, _creating(seen), since=seen.entry.look_after)
        return replace(_in_cloud(step), is_steady=True)
    return _in_cloud(_leaving(seen))


def _leaving(seen: Observed) -> Step:
    """The instance is being deleted before it has run; why, if that is known."""
    if seen.entry.failure:
        return _explained(seen.entry.failure)
    said = f"Agent pool {seen.name} is being deleted"
    return hold(_ASPECT, Reason.INSTANCE_TERMINATING, said)


def _runs(seen: Observed, instance: Instance) -> bool:
    """Whether the cloud says so, or the instance's one node proves it: it is usable, or was once.

    The cloud may take minutes more to end the operation. A node that is older than the instance
    may be what is left of a machine that failed under this name.
    """
    if instance.state is not InstanceState.PENDING or len(seen.nodes) != 1:
        return instance.state is InstanceState.RUNNING
    node = seen.nodes[0]
    born = node.metadata.creation_timestamp
    if born is None or instance.created is None or born < instance.created:
        return False
    is_taken = node.metadata.labels.get(labels.REGISTERED) == TRUE
    return bool(node.spec.provider_id) and (is_taken or awaited(seen, node) is None)


def _broken(seen: Observed, instance: Instance) -> Step:
    """The instance failed: remove what is left of it; another try comes after the back-off.

    Why it failed goes with it, so that is put on record first: whoever is restarted in between
    reads there whether, and when, there is another try.
    """
    failure = instance.failure or LaunchFailed(
        instance.phase,
        f"Agent pool {instance.name} is in state {instance.phase}, and the cloud does not say why",
    )
    step = _in_cloud(_explained(failure))
    wait = seen.retry_seconds
    if not seen.fresh:
        return step
    if wait > 0:
        return replace(step, recheck_seconds=wait)
    if not _is_told(seen, step):
        return step
    return replace(step, actions=(Terminate(seen.name, because=failure),))


def _is_told(seen: Observed, step: Step) -> bool:
    """Whether the stored condition says why; its status may say that it is overdue as well."""
    told = seen.condition(_ASPECT)
    return told is not None and told.status != DONE and told.reason == step.reason


def _vanished(seen: Observed) -> Step:
    """It ran, and the newest list does not have it: a second instance is never started."""
    told = seen.condition(_ASPECT)
    if not seen.gone and told and told.reason == Reason.INSTANCE_GONE:
        return _in_cloud(_lost(seen, "is being deleted"))
    if not seen.gone:
        # One list without it, or none yet since the start, is not enough to call it gone.
        return _in_cloud(done(_ASPECT, Reason.LAUNCHED))
    return _lost(seen, "was deleted")


def _lost(seen: Observed, what: str) -> Step:
    """Somebody else took the instance away."""
    said = (
        f"Agent pool {seen.name} {what} by somebody else."
        " Delete the claim; a new one gets a new pool"
    )
    return failed(_ASPECT, Reason.INSTANCE_GONE, said)


def _absent(seen: Observed) -> Step:
    """There is no instance of that name, as far as the newest list goes."""
    if isinstance(seen.order, InvalidSpec):
        return failed(_ASPECT, Reason.INVALID_CLAIM, str(seen.order))
    failure = seen.entry.failure
    wait = max(seen.retry_seconds, seen.entry.launch_at - seen.moment.monotonic)
    if failure and meaning(failure).permanent:
        return _explained(failure)
    if wait > 0:
        step = _explained(failure) if failure else _paused()
        return replace(step, recheck_seconds=wait)
    if not seen.fresh:
        return _in_cloud(_explained(failure) if failure else _looking(seen))
    if seen.occupied >= INSTANCE_LIMIT:
        return _full()
    # Another try goes on telling of the last failure until the cloud accepts it.
    step = _explained(failure) if failure else replace(_creating(seen), is_brief=True)
    return replace(_in_cloud(step), actions=(Launch(seen.order),))


def _full() -> Step:
    """The cluster has as many agent pools as it may have, or will have them in a moment."""
    said = f"The cluster has {INSTANCE_LIMIT} agent pools, the system's among them: AKS's limit"
    step = _explained(ClusterFull("AgentPoolLimit", said))
    return replace(step, recheck_seconds=LIMIT_SECONDS)


def _looking(seen: Observed) -> Step:
    """The list of instances is older than the first sight of the claim, or than its launch."""
    if seen.list_failure:
        return _explained(seen.list_failure)
    told = seen.condition(_ASPECT)
    step = hold(_ASPECT, Reason.LOOKING, "The agent pools of the cluster are being listed")
    if seen.entry.asked or (told and told.reason == Reason.LAUNCHING):
        step = _creating(seen)
    return _brief(seen, step, since=seen.entry.look_after)


def _brief(seen: Observed, step: Step, *, since: float, seconds: float = BRIEF_SECONDS) -> Step:
    """The step, which is worth telling by itself once it has lasted since then for a while."""
    left = since + seconds - seen.moment.monotonic
    return replace(step, is_brief=True, recheck_seconds=left) if left > 0 else step


def _changed_at(seen: Observed) -> float:
    """When the newest list was begun, where it is the first to have the instance in its state."""
    listing, instance = seen.listing, seen.instance
    before = listing.before.get(seen.name) if listing else None
    is_new = before is None or instance is None or before.state is not instance.state
    return listing.as_of if listing and is_new else float("-inf")


def _creating(seen: Observed) -> Step:
    return hold(_ASPECT, Reason.LAUNCHING, f"Agent pool {seen.name} is being created")


def _paused() -> Step:
    return hold(_ASPECT, Reason.LAUNCHING, "The cloud asked for a pause")


def _explained(failure: CloudError) -> Step:
    """What a failure means for the condition."""
    row = meaning(failure)
    return Step(_ASPECT, FAILED if row.failed else WAITING, row.reason, sentence(failure))


def _in_cloud(step: Step) -> Step:
    """The step waits for a newer list of instances."""
    return replace(step, in_cloud=True)
