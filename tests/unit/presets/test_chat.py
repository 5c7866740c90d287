"""POST /chat: what is asked is what the library answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import aiohttp
import pytest

pytestmark = pytest.mark.timeout(180)

PROMPTS = ("YOUR QUESTION HERE", "What is Kubernetes?", "Zebras & naïveté: 7 ÷ 6 =", "  two spaces")
TOKENS = 48
GREEDY = {"do_sample": False, "max_new_tokens": TOKENS}


@pytest.fixture(scope="module")
def oracle(python: Path, model: Path) -> dict[str, str]:
    """Full texts that the library's own pipeline writes for the prompts, in another process."""
    script = Path(__file__).with_name("greedy.py")
    done = subprocess.run(
        [str(python), str(script), str(model), str(TOKENS)],
        input=json.dumps(PROMPTS),
        capture_output=True,
        check=True,
        text=True,
    )
    return dict(zip(PROMPTS, json.loads(done.stdout), strict=True))


async def chat(http: aiohttp.ClientSession, **fields: object) -> str:
    async with http.post("/chat", json=fields) as response:
        body = await response.json()
        assert response.status == 200, body
        assert list(body) == ["Result"]
        return str(body["Result"])


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_a_greedy_answer_is_the_librarys_own(
    http: aiohttp.ClientSession, oracle: dict[str, str], prompt: str
) -> None:
    assert await chat(http, prompt=prompt, generate_kwargs=GREEDY) == oracle[prompt]


async def test_the_prompt_is_left_out_when_asked(
    http: aiohttp.ClientSession, oracle: dict[str, str]
) -> None:
    prompt = PROMPTS[1]

    answer = await chat(http, prompt=prompt, return_full_text=False, generate_kwargs=GREEDY)

    assert prompt + answer == oracle[prompt]


async def test_a_bare_prompt_is_answered_within_two_hundred_tokens(
    http: aiohttp.ClientSession,
) -> None:
    answer = await chat(http, prompt=PROMPTS[0])

    assert answer.startswith(PROMPTS[0])
    assert len(answer) > len(PROMPTS[0])


async def test_curl_need_not_name_the_content_type(http: aiohttp.ClientSession) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    async with http.post("/chat", data=b'{"prompt": "Hello"}', headers=form) as response:
        assert response.status == 200


async def test_a_prefix_steers_and_does_not_come_back(
    http: aiohttp.ClientSession, oracle: dict[str, str]
) -> None:
    prefix, prompt = "What is ", "Kubernetes?"

    answer = await chat(http, prefix=prefix, prompt=prompt, generate_kwargs=GREEDY)

    assert prefix + answer == oracle[prefix + prompt]


async def test_a_conversation_is_answered_with_the_next_turn(http: aiohttp.ClientSession) -> None:
    messages = [{"role": "user", "content": "Hello"}]

    answer = await chat(http, messages=messages, generate_kwargs=GREEDY)

    assert answer == "Hello! What do you want to know?"


async def test_a_hole_makes_room_in_a_prompt_that_is_too_long(
    http: aiohttp.ClientSession, oracle: dict[str, str]
) -> None:
    prompt = PROMPTS[1] + "," * 5000
    kwargs = {"do_sample": False, "max_new_tokens": 4}

    answer = await chat(http, prompt=prompt, handle_long_generation="hole", generate_kwargs=kwargs)

    assert answer.startswith(prompt)


async def test_many_clients_get_the_same_answer_at_once(
    http: aiohttp.ClientSession, oracle: dict[str, str]
) -> None:
    prompts = PROMPTS * 5

    answers = await asyncio.gather(
        *(chat(http, prompt=prompt, generate_kwargs=GREEDY) for prompt in prompts)
    )

    assert answers == [oracle[prompt] for prompt in prompts]
