"""The clients that people use: OpenAI's own, LangChain's, and one that tries everything."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serving.conftest import HERE, Answers
from tests.unit.presets.program import Program

pytestmark = pytest.mark.timeout(400)

PROMPTS = ["What is Kubernetes?", "Who are you?"]
BRIEF = "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\n"
HELLO = "<|user|>\nHello<|end|>\n<|assistant|>\n"
WHO = "<|user|>\nWho are you?<|end|>\n<|assistant|>\n"


@pytest.fixture(scope="module")
def expected(oracle: Callable[[dict[str, list[str]]], Answers]) -> dict[str, str]:
    """What the library writes after each prompt."""
    prompts = [*PROMPTS, BRIEF, HELLO, WHO]
    return dict(zip(prompts, oracle({"": prompts})[""], strict=True))


def said_by(clients: Path, script: str, url: str) -> Any:
    command = [str(clients), str(HERE / script), url, "tiny"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def openai(clients: Path, server: Program) -> Any:
    return said_by(clients, "openai_client.py", server.url)


@pytest.fixture(scope="module")
def langchain(clients: Path, server: Program) -> Any:
    return said_by(clients, "langchain_client.py", server.url)


def test_openais_client_reads_whole_answers(openai: Any, expected: dict[str, str]) -> None:
    whole = openai["whole"]

    assert whole["chat"] == expected[BRIEF]
    assert whole["text"] == expected[PROMPTS[0]]
    assert whole["several"] == [expected[prompt] for prompt in PROMPTS]
    assert whole["chat_reason"] == "stop"


def test_openais_client_reads_streams(openai: Any, expected: dict[str, str]) -> None:
    streamed = openai["streamed"]

    assert streamed["chat"] == expected[BRIEF]
    assert streamed["text"] == expected[PROMPTS[0]]
    assert streamed["chat_reason"] == "stop"
    assert streamed["chunks"] > 10
    assert streamed["chat_usage"] == openai["whole"]["chat_usage"]
    assert streamed["chat_usage"]["total_tokens"] == (
        streamed["chat_usage"]["prompt_tokens"] + streamed["chat_usage"]["completion_tokens"]
    )


def test_openais_client_sees_models_and_request_ids(openai: Any) -> None:
    assert openai["models"] == ["tiny", "birds", "ships"]
    assert openai["card"] == "tiny"
    assert openai["request_id"] == "mine-1"


def test_openais_client_makes_its_own_exceptions_of_refusals(openai: Any) -> None:
    assert openai["refused"] == {
        "model": ["NotFoundError", 404, "model"],
        "context": ["BadRequestError", 400, "prompt"],
        "field": ["BadRequestError", 400, "frequency_penalty"],
    }


def test_langchain_reads_whole_answers_and_streams(
    langchain: Any, expected: dict[str, str]
) -> None:
    assert langchain["chat"] == expected[BRIEF]
    assert langchain["streamed"] == expected[HELLO]
    assert langchain["text"] == langchain["text_streamed"] == expected[PROMPTS[0]]
    assert langchain["batch"] == [expected[HELLO], expected[WHO]]
    assert len(langchain["streamed_usage"]) == 1
    assert langchain["usage"]["output_tokens"] > 10


def test_schemathesis_finds_nothing(clients: Path, server: Program, tmp_path: Path) -> None:
    command = [
        str(clients.with_name("st")),
        f"--config-file={HERE / 'schemathesis.toml'}",
        "run",
        f"{server.url}/openapi.json",
        "--seed=1",
        "--request-timeout=120",
        "--max-examples=10",
        "--continue-on-failure",
        "--generation-database=none",
        "--no-color",
    ]

    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stdout[-4000:]
    assert "passed" in done.stdout
