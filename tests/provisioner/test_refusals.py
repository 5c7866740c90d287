"""Every no of ARM is told with its numbers and a remedy, waited out, and got over."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from provisioner.azure.errors import CLASSES
from tests.bystander import Json, until
from tests.provisioner.books import CLOCKS_SECONDS, accepted, gaps, requests
from tests.provisioner.refusals import ROWS, Row
from tests.provisioner.stack import Stack
from tests.provisioner.witness import Witness, watching

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

TOLD_SECONDS = 30
RECOVERED_SECONDS = 150

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@dataclass(frozen=True)
class Story:
    """What came of one claim for each row, all at once."""

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
    async with watching(cloud.client) as witness:
        claims = [row.kind.claim(row.pool) for row in ROWS]
        await cloud.apply(*claims)
        await abort(cloud)
        await seen(
            witness, TOLD_SECONDS, lambda row: bool(witness.first(row.pool, row.expected.reason))
        )
        await seen(witness, RECOVERED_SECONDS, lambda row: row.is_final or witness.holds(row.pool))
        failed = await cloud.samples("kaito_claims_failed_total")
        calls = await cloud.samples("kaito_cloud_call_seconds_count")
        journal = await cloud.see.journal()
        events = await cloud.see.items("/apis/events.k8s.io/v1/namespaces/default/events")
        await cloud.delete(*claims)
        left = tuple(cloud.states())
    await cloud.stop()
    yield Story(witness, journal, events, failed, calls, left)


async def abort(cloud: Stack) -> None:
    """Have somebody else abort what will not end by itself."""
    for row in ROWS:
        if row.is_aborted:
            creating = partial(state_is, cloud, row.pool, "Creating")
            await until("the creation", creating, limit_seconds=TOLD_SECONDS)
            await cloud.portal.abort(row.pool)


async def state_is(cloud: Stack, pool: str, state: str) -> bool:
    return cloud.states().get(pool) == state


async def seen(witness: Witness, seconds: float, holds: Any) -> None:
    """Wait until something holds for every row; says for which it does not."""
    try:
        await until("all rows", lambda: every(holds), limit_seconds=seconds)
    except AssertionError:
        missing = {row.name: witness.told.get(row.pool) for row in ROWS if not holds(row)}
        pytest.fail(f"after {seconds} s: {missing}")


def transitions(witness: Witness, row: Row) -> int:
    """How often the condition came to tell of the refusal; one of an operation comes back."""
    type = row.kind.condition("Launched")
    reasons = [each.reason for each in witness.told[row.pool] if each.type == type]
    return sum(new == row.expected.reason != old for old, new in pairwise(["", *reasons]))


async def every(holds: Any) -> bool:
    return all(holds(row) for row in ROWS)


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

    failed = len(row.expected.waits) or 1 if row.in_operation else 0
    assert len(deleted) == failed
    assert len(bought) == failed + (0 if row.is_final else 1)


@each_row
async def test_a_transition_has_one_event(story: Story, row: Row) -> None:
    told = [
        each
        for each in story.events
        if (each["regarding"]["name"], each["reason"]) == (row.pool, row.expected.reason)
    ]

    (event,) = told
    assert event.get("series", {}).get("count", 1) == transitions(story.witness, row)
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
