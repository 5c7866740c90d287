"""Claims that nobody takes up, that are refused, that a node of the user's own makes needless."""

from __future__ import annotations

import asyncio
from itertools import groupby, pairwise

import pytest

from hack.cluster.arm.faults import Fault, Rule
from kaito.api import labels
from kaito.api.machine import MACHINES
from kaito.api.nodeclaim import NODECLAIMS
from kaito.api.workspace import MACHINE_READY, WORKSPACES
from kaito.kube.kinds import NODES
from kaito.kube.objects import Ref
from tests.virtual.door import Fair, Weather
from tests.virtual.machines import readiness
from tests.virtual.process import PROVISIONER, Life, Manner
from tests.virtual.story import Script, Stage, Verdict, fair, played
from tests.virtual.troubles import pause
from tests.virtual.user import create, delete
from tests.virtual.watching import Event
from tests.virtual.weather import Calls, Sniper
from tests.virtual.wire import Json
from tests.virtual.workloads import FIRST_TYPE, Workload

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize(
    ("seen_seconds", "still_seconds", "words"),
    [(0.0, 300.0, "nobody has taken up"), (1.0, 2400.0, "nothing has moved it since")],
    ids=["nobody takes it up", "nobody goes on with it"],
)
def test_a_provisioner_that_stands_still_is_told_once_and_over_when_it_goes_on(
    seen_seconds: float, still_seconds: float, words: str
) -> None:
    told: list[tuple[str, str]] = []

    async def act(stage: Stage) -> None:
        await asyncio.sleep(5)
        stage.api.on_event.append(lambda event: told.extend(_said(event)))
        if seen_seconds:
            create(stage.world)
            await asyncio.sleep(seen_seconds)
        for life in stage.lives.values():
            if life.name == PROVISIONER:
                pause(stage, life, seconds=still_seconds)
        if not seen_seconds:
            create(stage.world)
        await asyncio.sleep(still_seconds + 600)
        delete(stage.world)

    verdict = played(Script(Workload.DELETE, act=act))

    assert verdict.violations == []
    assert {words in message for reason, message in told if reason == "NoProvisioner"} == {True}
    assert [reason for reason, _ in groupby(reason for reason, _ in told)][:4] == [
        "WaitingForMachines",
        "NoProvisioner",
        "WaitingForMachines",
        "MachinesReady",
    ]


def _said(event: Event) -> list[tuple[str, str]]:
    """Reason and message of what a Workspace says of its claims."""
    if event.kind.plural != WORKSPACES.plural:
        return []
    found = (event.new.get("status") or {}).get("conditions", [])
    return [(each["reason"], each["message"]) for each in found if each["type"] == MACHINE_READY]


OWN = Ref("", "mine")


def helped(calls: Calls | None = None) -> tuple[Verdict, Json]:
    """A machine cannot be had, and the user labels a node instead; how that ends, and looked then.

    Args:
        calls: all requests, by number, one of which is the last of the process that makes it.
    """
    found: Json = {}

    def climate(stage: Stage, life: Life) -> Weather:
        if calls is None:
            return fair(stage, life)
        calls.moment = lambda: (stage.api.version, stage.arm.revision())
        return Sniper(life.name, calls)

    async def act(stage: Stage) -> None:
        stage.arm.fail(Rule(fault=Fault.QUOTA))
        await asyncio.sleep(5)
        create(stage.world)
        await asyncio.sleep(600)
        found["before"] = stage.api.items(MACHINES.plural)
        stage.world.ask("POST", NODES.path(), _own_node(stage))
        await asyncio.sleep(900)
        found["claims"] = stage.api.items(MACHINES.plural)
        found["workspace"] = stage.api.items(WORKSPACES.plural)[0]
        found["deeds"] = list(stage.arm.deeds)
        delete(stage.world)
        await asyncio.sleep(600)
        found["node"] = stage.api.items(NODES.plural)
        stage.world.ask("DELETE", NODES.path(OWN), {})

    return played(Script(Workload.DELETE, climate, act=act)), found


def _own_node(stage: Stage) -> Json:
    carried = {"apps": "phi", labels.INSTANCE_TYPE: FIRST_TYPE}
    return {
        "metadata": {"name": OWN.name, "labels": carried},
        "spec": {},
        "status": {
            "conditions": [readiness("True", stage.timeline.seconds())],
            "allocatable": {labels.GPU: "1"},
        },
    }


def _is_well(verdict: Verdict, found: Json) -> bool:
    """Whether the model serves on the user's node, and nothing else was bought or taken away."""
    status = found["workspace"]["status"]
    return (
        not verdict.violations
        and len(found["before"]) == 1
        and status["workerNodes"] == [OWN.name]
        and status["state"] == "Ready"
        and found["claims"] == []
        and "attempts" not in status
        and [node["metadata"]["name"] for node in found["node"]] == [OWN.name]
    )


def test_a_claim_without_quota_goes_once_the_workspace_runs_on_a_node_of_its_user() -> None:
    verdict, found = helped()

    assert verdict.violations == []
    assert _is_well(verdict, found), found
    assert [deed.verb for deed in found["deeds"] if deed.verb == "launch"] == []


def test_it_ends_alike_wherever_a_process_is_killed() -> None:
    calls = Calls()
    helped(calls)
    ends = {number: helped(Calls(number)) for number in calls.points()}

    assert len(ends) > 20
    assert [number for number, end in ends.items() if not _is_well(*end)] == []


def test_where_none_is_made_the_workspace_takes_a_node_as_soon_as_that_is_labelled() -> None:
    said: list[Json] = []

    async def act(stage: Stage) -> None:
        await asyncio.sleep(5)
        create(stage.world)
        node = _own_node(stage)
        bare = {"labels": {labels.INSTANCE_TYPE: FIRST_TYPE}}
        stage.world.ask("POST", NODES.path(), {**node, "metadata": {**node["metadata"], **bare}})
        await asyncio.sleep(600)
        said.append(_ready(stage))
        stage.world.ask("PATCH", NODES.path(OWN), {"metadata": {"labels": {"apps": "phi"}}})
        await asyncio.sleep(60)
        said.append(_ready(stage))
        delete(stage.world)
        await asyncio.sleep(600)
        stage.world.ask("DELETE", NODES.path(OWN), {})

    verdict = played(Script(Workload.DELETE, act=act, manner=Manner(claim_kind="None")))

    assert verdict.violations == []
    assert [(each["status"], each["reason"]) for each in said] == [
        ("False", "NodesNotReady"),
        ("True", "WorkspaceReady"),
    ]
    assert not any(f" {MACHINES.plural} " in change for change in verdict.trace)


def _ready(stage: Stage) -> Json:
    """What the Workspace says of itself."""
    found = stage.api.items(WORKSPACES.plural)[0]["status"]["conditions"]
    return next(each for each in found if each["type"] == "Ready")


CLASS_SECONDS = 1800.0
"""How much later than the Workspace its NodeClass is applied."""


def _without_class(stage: Stage, *, seconds: float) -> list[float]:
    """Delete each new NodeClaim for that long, as Karpenter does that finds no NodeClass for it.

    Returns:
        When it did, in seconds of the server's clock.
    """
    refused: list[float] = []
    until = stage.timeline.seconds() + seconds

    def hear(event: Event) -> None:
        if event.kind.plural == NODECLAIMS.plural and event.old is None and event.at < until:
            refused.append(event.at)
            claim = NODECLAIMS.path(Ref("", event.new["metadata"]["name"]))
            asyncio.get_running_loop().call_soon(stage.world.ask, "DELETE", claim, {})

    stage.api.on_event.append(hear)
    return refused


def _lasting(event: Event) -> list[bool]:
    """Whether a Workspace says that a person has to act."""
    if event.kind.plural != WORKSPACES.plural or "status" not in event.new:
        return []
    found = {each["type"]: each["status"] for each in event.new["status"].get("conditions", [])}
    return [found.get("Stalled") == "True"]


def test_a_late_node_class_is_asked_for_ever_more_seldom_and_stalls_the_workspace() -> None:
    found: Json = {}
    stalled: list[tuple[int, bool]] = []

    async def act(stage: Stage) -> None:
        await asyncio.sleep(5)
        refused = found["refused"] = _without_class(stage, seconds=CLASS_SECONDS)
        stage.api.on_event.append(
            lambda event: stalled.extend((len(refused), each) for each in _lasting(event))
        )
        create(stage.world)
        await asyncio.sleep(CLASS_SECONDS)
        found["bought"] = [deed for deed in stage.arm.deeds if deed.verb == "launch"]
        await asyncio.sleep(1200)
        found["ready"] = _ready(stage)
        delete(stage.world)

    manner = Manner(claim_kind="NodeClaim")
    verdict = played(Script(Workload.DELETE, lambda _stage, _life: Fair(), act=act, manner=manner))

    assert verdict.violations == []
    assert found["bought"] == []
    pauses = [later - earlier for earlier, later in pairwise(found["refused"])]
    assert [round(pause, -1) for pause in pauses] == [10, 60, 300, 900]
    assert {count for count, is_stalled in stalled if is_stalled} == {4, 5}
    assert (found["ready"]["status"], stalled[-1]) == ("True", (5, False))
