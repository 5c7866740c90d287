"""Its series by their names, on vLLM's own server after a request."""

from __future__ import annotations

import aiohttp
import pytest

from tests.unit.presets.series import asked, assert_named

pytestmark = pytest.mark.timeout(300)


async def test_the_series_that_dashboards_ask_for_are_there(http: aiohttp.ClientSession) -> None:
    assert_named(await asked(http))
