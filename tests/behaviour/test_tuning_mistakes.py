"""Tunings that cannot be: each mistake is said with its remedy, most before a node is bought."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.behaviour.tuning import Ground, tuning_ground
from tests.bystander import condition

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

GUESS = "guessed"
MISSPELT = """\
training_config:
  LoraConfig:
    lora_aplha: 8
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with tuning_ground(request.config) as found:
        yield found


async def refused(ground: Ground, namespace: str, reason: str, **changes: Any) -> tuple[str, Any]:
    """What is said of a tuning that cannot be, and its Workspace."""
    name = await ground.tune(namespace, **changes)
    message = await ground.said(namespace, name, reason)
    return message, await ground.workspace(namespace, name)


async def test_a_wrong_parameter_is_named_with_the_right_one_before_a_node_is_bought(
    ground: Ground,
) -> None:
    await ground.namespace("misspelt")
    await ground.parameters("misspelt", MISSPELT)

    message, found = await refused(ground, "misspelt", "PreflightFailed", config="mine")

    assert "LoraConfig.lora_aplha does not exist: did you mean lora_alpha?" in message
    assert condition(found, "Stalled").get("status") == "True"
    assert await ground.claims("misspelt", found["metadata"]["name"]) == []


async def test_a_wrong_password_is_told_before_a_node_is_bought(ground: Ground) -> None:
    await ground.namespace("wrong-password", password=GUESS)

    message, found = await refused(ground, "wrong-password", "PreflightFailed")

    assert "tuning.output.image" in message
    assert "401" in message
    assert await ground.claims("wrong-password", found["metadata"]["name"]) == []


async def test_a_page_in_place_of_data_is_told_before_a_node_is_bought(ground: Ground) -> None:
    await ground.namespace("page")
    source = {"urls": [f"{ground.url}/"]}

    message, found = await refused(ground, "page", "PreflightFailed", input=source)

    assert "tuning.input.urls[0]" in message
    assert await ground.claims("page", found["metadata"]["name"]) == []


async def test_columns_that_mean_nothing_are_named(ground: Ground) -> None:
    await ground.namespace("columns")
    folder = ground.cluster.layout.cache / "datasets"
    (folder / "columns.jsonl").write_text('{"question": "a", "reply": "b"}\n')
    source = {"urls": [f"{ground.url}/columns.jsonl"]}

    message, found = await refused(ground, "columns", "DataUnusable", input=source)

    assert "the data set has the columns question, reply" in message
    assert condition(found, "Stalled").get("status") == "True"
    await ground.kubectl("delete", "workspace", "-n", "columns", found["metadata"]["name"])
    assert await ground.claims("columns", found["metadata"]["name"]) == []
