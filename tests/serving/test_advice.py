"""What the model's authors advise on drawing: the same of it counts with a seed and without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.serving.conftest import TOKENS, output_of
from tests.unit.presets.program import Program

pytestmark = pytest.mark.timeout(180)

PROMPT = "What is Kubernetes?"
ADVICE = {"do_sample": True, "temperature": 2.0, "top_k": 1, "repetition_penalty": 5.0}
"""Whoever draws from one token takes the likeliest one, which the penalty would change."""


@pytest.fixture(scope="module")
def advised(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other advice."""
    folder = tmp_path_factory.mktemp("advised") / "model"
    shutil.copytree(model, folder)
    file = folder / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | ADVICE))
    return folder


@pytest.fixture(scope="module")
def program(advised: Path) -> Iterator[Program]:
    """A server of that model."""
    program = Program.start(advised, "--served-model-name=tiny", "--threads=1")
    try:
        program.wait_for("model.loaded")
        yield program
    finally:
        program.close()


@pytest.fixture(scope="module")
def unpenalized(model: Path) -> str:
    """The likeliest answer, as the library itself writes it without the advice."""
    given = json.dumps({"": [PROMPT]})
    answers = json.loads(output_of("oracle.py", model, model, TOKENS, given=given))
    return str(answers[""][0])


async def answered(program: Program, **fields: object) -> str:
    """What the server writes after the prompt."""
    body = {"model": "tiny", "prompt": PROMPT, "max_tokens": TOKENS, **fields}
    async with (
        aiohttp.ClientSession(program.url) as http,
        http.post("/v1/completions", json=body) as response,
    ):
        return str((await response.json())["choices"][0]["text"])


@pytest.mark.parametrize("fields", [{}, {"seed": 7}, {"min_p": 0.1}], ids=["batch", "seed", "rest"])
async def test_temperature_and_top_k_are_followed_and_the_penalty_is_not(
    program: Program, unpenalized: str, fields: Mapping[str, object]
) -> None:
    assert await answered(program, **fields) == unpenalized


async def test_a_penalty_that_the_request_asks_for_is_followed(
    program: Program, unpenalized: str
) -> None:
    assert await answered(program, repetition_penalty=5.0) != unpenalized
