"""The order of versions, and what becomes of what is none."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from kaito.kube import metrics
from kaito.kube.client import Client
from kaito.kube.errors import Undecodable
from kaito.kube.gate import Gate, Write
from kaito.kube.objects import Ref
from kaito.kube.versions import is_older, is_version
from tests.unit.kube.apiserver import Api, line
from tests.unit.kube.builders import THINGS, Thing, follower, path, ref

LARGEST = str(2**128 - 1)


@pytest.mark.parametrize("text", ["", "0", "007", "-1", "1.5", "abc", "١٢", "1" * 40])
def test_r16_what_is_no_decimal_number_is_no_version_and_has_no_order(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(Undecodable, match="no resourceVersion"):
        is_older("10", text)
    with pytest.raises(Undecodable, match="no resourceVersion"):
        is_older(text, "10")


@pytest.mark.parametrize(("one", "other"), [("9", "10"), ("10", "11"), ("99", "100")])
def test_r16_versions_are_ordered_as_numbers(one: str, other: str) -> None:
    assert is_older(one, other)
    assert not is_older(other, one)
    assert not is_older(one, one)
    assert is_older(other, LARGEST)


async def test_r16_an_event_with_a_version_that_is_none_costs_a_list_and_is_told(
    api: Api, client: Client
) -> None:
    api.put(path("a"), spec={"size": 1})
    each = follower(client)
    task = asyncio.create_task(each.informer.run())
    await api.until_watched(1)
    lists = len(api.lists)
    item = {"metadata": {"name": "b", "namespace": "default", "resourceVersion": "newer"}}

    api.say(line("ADDED", item))
    await api.until_watched(2)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert len(api.lists) == lists + 1
    assert [each.ref for each in each.informer.store.list()] == [ref("a")]


class Behind:
    """A cache that stands still."""

    resource = THINGS
    name = "things"
    labels = ""
    version = "90"

    def known(self, ref: Ref) -> Thing | None:
        """It knows nothing."""
        return None


def test_y4_how_far_a_cache_is_behind_is_published() -> None:
    gate, cache = Gate("lagging"), Behind()
    gate.watch(cache)
    lag = metrics.CACHE_LAG.labels("lagging", "things").collect
    assert next(iter(lag())).samples[0].value == 0

    gate.wrote(ref("key"), [Write(THINGS, ref("a"), "u", "95"), Write(THINGS, ref("b"), "u", "92")])
    assert next(iter(lag())).samples[0].value == 5

    cache.version = "95"
    assert next(iter(lag())).samples[0].value == 0
