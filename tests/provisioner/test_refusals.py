"""Every no of ARM is told with its numbers and a remedy, waited out, and got over."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from provisioner.azure.errors import CLASSES
from tests.bystander import Json, until
from tests.provisioner.books import CLOCKS_SECONDS, accepted, gaps, requests
from tests.provisioner.refusals import RATE, ROWS, Row
from tests.provisioner.stack import Stack
from tests.provisioner.witness import Witness, watching

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

TOLD_SECONDS = 90
RECOVERED_SECONDS = 240

THROTTLED = [row for row in ROWS if row.expected is RATE]
CALM = [row for row in ROWS if row.expected is not RATE]

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@dataclass(frozen=True)
class Story:
    """What came of one claim for each row; the journal ends before they are deleted."""

    witness: Witness
    journal: Sequence[Json]
    events: Sequence[Json]
    failed: Mapping[Any, float]
    calls: Mapping[Any, float]
    left: Sequence[str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(cloud: Stack) -> AsyncIterator[Story]:
    """Claims that are refused; recovered where they can be, and deleted in the end."""
    await cloud.start()
    await cloud.ready()
    cloud.play(*(row.scripted for row in ROWS))
    journal: list[Json] = []
    async with watching(cloud.client) as witness:
        # A cloud that wants to be asked less holds all others up: those come last.
        for rows in (CALM, THROTTLED):
            earlier = len(await cloud.see.journal())
            await cloud.apply(*(row.claim for row in rows))
            await abort(cloud, rows)
            await seen(witness, rows, TOLD_SECONDS, is_told)
            await seen(witness, rows, RECOVERED_SECONDS, has_recovered)
            journal += (await cloud.see.journal())[earlier:]
            await cloud.delete(*(row.claim for row in rows))
        failed = await cloud.samples("kaito_claims_failed_total")
        calls = await cloud.samples("kaito_cloud_call_seconds_count")
        events = await cloud.see.items("/apis/events.k8s.io/v1/namespaces/default/events")
    left = tuple(cloud.states())
    await cloud.stop()
    cloud.play()
    yield Story(witness, journal, events, failed, calls, left)


def is_told(witness: Witness, row: Row) -> bool:
    """Whether a claim has ever told of its refusal."""
    return witness.first(row.pool, row.expected.reason) is not None


def has_recovered(witness: Witness, row: Row) -> bool:
    """Whether a claim is Ready, if it can be."""
    return row.is_final or witness.holds(row.pool)


async def seen(
    witness: Witness, rows: Sequence[Row], seconds: float, holds: Callable[[Witness, Row], bool]
) -> None:
    """Wait until something holds for every row; says for which it does not."""

    async def every() -> bool:
        return all(holds(witness, row) for row in rows)

    try:
        await until("all rows", every, limit_seconds=seconds)
    except AssertionError:
        missing = {r.name: witness.told.get(r.pool) for r in rows if not holds(witness, r)}
        pytest.fail(f"not {holds.__name__} after {seconds} s: {missing}")


async def abort(cloud: Stack, rows: Sequence[Row]) -> None:
    """Have somebody else abort what will not end by itself."""
    for row in rows:
        if row.is_aborted:
            creating = partial(state_is, cloud, row.pool, "Creating")
            await until("the creation", creating, limit_seconds=TOLD_SECONDS)
            await cloud.portal.abort(row.pool)


async def state_is(cloud: Stack, pool: str, state: str) -> bool:
    return cloud.states().get(pool) == state


def transitions(witness: Witness, row: Row) -> int:
    """How often the condition came to tell of the refusal; one of an operation comes back."""
    type = row.kind.condition("Launched")
    reasons = [each.reason for each in witness.told[row.pool] if each.type == type]
    return sum(new == row.expected.reason != old for old, new in pairwise(["", *reasons]))


async def test_every_code_that_the_provisioner_knows_has_a_row() -> None:
    codes = {str(row.rule.get("code", "")) for row in ROWS}
    scripted = {"SubscriptionRequestsThrottled"}  # the server's own word for throttle

    assert set(CLASSES) - codes - scripted == set()


@each_row
async def test_a_refusal_is_told_with_its_numbers_and_a_remedy(story: Story, row: Row) -> None:
    told = story.witness.first(row.pool, row.expected.reason)

    assert told is not None
    assert (told.type, told.status) == (row.kind.condition("Launched"), row.expected.status)
    assert row.expected.remedy in told.message
    assert [words for words in row.says if words not in told.message] == []


@each_row
async def test_a_refusal_is_followed_by_its_pause(story: Story, row: Row) -> None:
    pauses = gaps(requests(story.journal, "PUT", row.pool))

    assert len(pauses) == len(row.expected.waits)
    least = [wait - CLOCKS_SECONDS for wait in row.expected.waits]
    assert [pair for pair in zip(pauses, least, strict=True) if pair[0] < pair[1]] == []


@each_row
async def test_one_pool_runs_in_the_end_or_none(story: Story, row: Row) -> None:
    bought = accepted(story.journal, "PUT", row.pool)
    deleted = accepted(story.journal, "DELETE", row.pool)

    assert len(deleted) == row.failed_operations
    assert len(bought) == row.failed_operations + (0 if row.is_final else 1)


@each_row
async def test_a_transition_has_one_event(story: Story, row: Row) -> None:
    told = [
        each
        for each in story.events
        if (each["regarding"]["name"], each["reason"]) == (row.pool, row.expected.reason)
    ]

    (event,) = told
    assert event.get("series", {}).get("count", 1) == transitions(story.witness, row)
    # Pools take half a second here: that another try is under way may be too brief to be told.
    assert 1 <= transitions(story.witness, row) <= max(1, row.failed_operations)
    assert event["type"] == ("Warning" if row.expected.status == "False" else "Normal")
    assert row.expected.remedy in event["note"]
    assert event["regarding"]["kind"] == row.kind.name


async def test_metrics_count_claims_that_fail_and_calls_that_are_refused(story: Story) -> None:
    claims = Counter(
        frozenset({("kind", row.kind.name), ("reason", row.expected.reason)})
        for row in ROWS
        if row.expected.status == "False"
    )
    refused = Counter(
        frozenset({("operation", "launch"), ("outcome", row.expected.outcome)})
        for row in ROWS
        if not row.in_operation
        for _ in row.expected.waits or (0,)
    )

    assert {labels: story.failed[labels] for labels in claims} == claims
    assert {labels: story.calls[labels] for labels in refused} == refused


async def test_nothing_is_left_of_any_of_them(story: Story) -> None:
    assert story.left == ()
    assert story.witness.gone >= {row.pool for row in ROWS}
