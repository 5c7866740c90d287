"""The stages between `kubectl apply` and an answer, in the order in which they must come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hack.cluster.demo.sight import Sight
from kaito.kube.conditions import condition
from kaito.kube.objects import Condition, KubeObject


@dataclass(frozen=True, slots=True)
class Stage:
    """Something that a bystander can see.

    Attributes:
        name: what has happened.
        detail: names the object that it happened to; "" while it has not happened.
    """

    name: str
    detail: Callable[[Sight], str]

    def is_reached(self, sight: Sight) -> bool:
        """Whether it has happened."""
        return bool(self.detail(sight))


def _machine(sight: Sight) -> str:
    return _names(sight.machines)


def _requested(sight: Sight) -> str:
    return ", ".join(name for name in sight.requested if name in _names(sight.machines))


def _succeeded(sight: Sight) -> str:
    return ", ".join(name for name, state in sight.instances.items() if state == "Succeeded")


def _node(sight: Sight) -> str:
    ready = [node for node in sight.nodes if _holds(node.status.conditions, "Ready")]
    return _names(ready)


def _running(sight: Sight) -> str:
    return _names([pod for pod in sight.pods if pod.status.phase == "Running"])


def _loaded(sight: Sight) -> str:
    return _names([pod for pod in sight.pods if _holds(pod.status.conditions, "Ready")])


STAGES = (
    Stage("machine created", _machine),
    Stage("pool requested", _requested),
    Stage("pool succeeded", _succeeded),
    Stage("node ready", _node),
    Stage("pod running", _running),
    Stage("model loaded", _loaded),
)


def is_gone(sight: Sight) -> bool:
    """Whether Machine, pool and node are given back."""
    return not (sight.machines or sight.nodes or sight.pods or sight.instances)


def left(sight: Sight) -> str:
    """What is not given back yet, for people."""
    parts = {
        "pods": _names(sight.pods),
        "machines": _names(sight.machines),
        "agent pools": ", ".join(sight.instances),
        "nodes": _names(sight.nodes),
    }
    return "; ".join(f"{kind} {names}" for kind, names in parts.items() if names) or "nothing"


def _names(objects: Sequence[KubeObject]) -> str:
    return ", ".join(each.metadata.name for each in objects)


def _holds(conditions: Sequence[Condition], type_: str) -> bool:
    found = condition(conditions, type_)
    return found is not None and found.status == "True"
