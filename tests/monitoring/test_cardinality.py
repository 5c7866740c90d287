"""How many series there are does not follow how many objects there are, or ever were."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY

from kaito.kube.objects import Ref
from tests.unit.controllers.workspace.counting import a_node, a_workspace, counted, said
from tests.virtual.story import Script, Stage, played
from tests.virtual.user import create, delete
from tests.virtual.workloads import Workload

pytestmark = pytest.mark.timeout(180)

LAPS, CROWD = 4, 6
SERVING_SECONDS, GONE_SECONDS = 1200.0, 2400.0
OURS = ("kaito_", "karpenter_", "controller_", "workqueue_", "rest_client_", "leader_")
COUNTED = {"kaito_workspaces", "kaito_workspace_unready_seconds", "kaito_gpus", "kaito_claims"}
"""What is counted anew at each scrape: it goes with what it counts."""
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Scrapes:
    """What was scraped in a story.

    Attributes:
        busy: at the height of each lap.
        quiet: at its end, when everything is gone.
        names: of all objects that there were.
    """

    busy: list[Samples] = field(default_factory=list)
    quiet: list[Samples] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def scraped() -> Samples:
    """Every sample of both processes, which share a registry in virtual time."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name.startswith(OURS)
    }


@pytest.fixture(scope="module")
def scrapes() -> Scrapes:
    """Laps in each of which a crowd of Workspaces with new names comes, serves and goes."""
    found = Scrapes()

    async def act(stage: Stage) -> None:
        for lap in range(LAPS):
            refs = [Ref(f"team-{lap}", f"model-{lap}-{one}") for one in range(CROWD)]
            for ref in refs:
                create(stage.world, ref)
            await asyncio.sleep(SERVING_SECONDS)
            found.busy.append(scraped())
            found.names |= {
                each.new["metadata"]["name"]
                for each in stage.api.history
                if each.kind.plural != "leases"
            }
            for ref in refs:
                delete(stage.world, ref)
            await asyncio.sleep(GONE_SECONDS)
            found.quiet.append(scraped())

    verdict = played(Script(Workload.DELETE, act=act))

    assert verdict.violations == []
    return found


def test_the_crowd_was_there_and_went(scrapes: Scrapes) -> None:
    ready = ("kaito_workspaces", (("reason", "WorkspaceReady"), ("state", "Ready")))

    assert [each[ready] for each in scrapes.busy] == [CROWD] * LAPS
    assert {f"model-{lap}-{one}" for lap in range(LAPS) for one in range(CROWD)} <= scrapes.names


def test_another_lap_adds_no_series(scrapes: Scrapes) -> None:
    assert scrapes.busy[1].keys() == scrapes.busy[-1].keys()
    assert scrapes.quiet[0].keys() == scrapes.quiet[-1].keys()


def test_no_label_has_the_name_of_an_object(scrapes: Scrapes) -> None:
    every = [*scrapes.busy, *scrapes.quiet]
    values = {value for each in every for _, labels in each for _, value in labels}

    assert len(values) > 20
    assert values & scrapes.names == set()


def test_what_counts_objects_goes_with_them(scrapes: Scrapes) -> None:
    assert {name for name, _ in scrapes.busy[0]} >= COUNTED - {"kaito_workspace_unready_seconds"}
    assert [name for name, _ in scrapes.quiet[-1] if name in COUNTED] == []


def test_a_thousand_workspaces_are_as_many_series_as_one() -> None:
    ready = said("True", "WorkspaceReady")
    crowd = [a_workspace(f"w{one}", ready, node=f"n{one}") for one in range(1000)]
    nodes = [a_node(f"n{one}") for one in range(1000)]

    assert counted(*crowd, *nodes).keys() == counted(crowd[0], nodes[0]).keys()
