"""The clients that people use, before vLLM's own server: the same as before ours."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.cache import cache_folder
from tests.vllm.conftest import SERVING, Answers, Server

pytestmark = pytest.mark.timeout(300)

PROMPTS = ["What is Kubernetes?", "Who are you?"]
BRIEF = "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\n"
HELLO = "<|user|>\nHello<|end|>\n<|assistant|>\n"


@pytest.fixture(scope="module")
def expected(oracle: Callable[[Mapping[str, list[str]]], Answers]) -> dict[str, str]:
    """What the library writes after each prompt."""
    prompts = [*PROMPTS, BRIEF, HELLO]
    return dict(zip(prompts, oracle({"": prompts})[""], strict=True))


def said_by(script: str, url: str) -> Any:
    """What came back to a client."""
    python = cache_folder() / "clients" / "bin" / "python"
    command: list[str | Path] = [python, SERVING / script, url, "tiny"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_openais_client_reads_answers_streams_and_models(
    server: Server, expected: dict[str, str]
) -> None:
    said = said_by("openai_client.py", server.url)
    whole, streamed = said["whole"], said["streamed"]

    assert whole["chat"] == streamed["chat"] == expected[BRIEF]
    assert whole["text"] == streamed["text"] == expected[PROMPTS[0]]
    assert whole["several"] == [expected[prompt] for prompt in PROMPTS]
    assert whole["chat_usage"]["total_tokens"] == streamed["chat_usage"]["total_tokens"]
    assert streamed["chunks"] > 10
    assert (said["card"], said["request_id"]) == ("tiny", "mine-1")
    assert {"tiny", "ships", "birds"} <= set(said["models"])
    assert said["refused"]["model"][:2] == ["NotFoundError", 404]
    assert said["refused"]["context"][:2] == ["BadRequestError", 400]


async def test_langchain_reads_answers_and_streams(
    server: Server, expected: dict[str, str]
) -> None:
    said = said_by("langchain_client.py", server.url)

    assert said["chat"] == expected[BRIEF]
    assert said["streamed"] == expected[HELLO]
    assert said["text"] == said["text_streamed"] == expected[PROMPTS[0]]
    assert len(said["streamed_usage"]) == 1
