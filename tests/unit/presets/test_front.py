"""What vLLM's front takes: fields that are known, and so many requests."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from front.fields import field_without_effect, fields_of, unknown_field
from front.places import TEXTS_SCOPE, Places
from front.settings import front_settings
from front.texts import texts_asked
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict, Field
from serving.errors import InvalidRequest, QueueFull

from tests.bystander import until
from tests.unit.presets.program import inference_python


class Options(BaseModel):
    """As vLLM's own, it takes what it does not know."""

    model_config = ConfigDict(extra="allow")
    include_usage: bool = False


class Asked(Options):
    """A request of some path's."""

    prompt: str | list[str] = ""
    stream_options: Options | None = None
    form: dict[str, object] | None = Field(None, alias="schema")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"prompt": "a"}', ""),
        ('{"prompt": "a", "nonsense": null}', "nonsense"),
        ('{"first": 1, "second": 2}', "first"),
        ('{"stream_options": {"nonsense": 1}}', "stream_options.nonsense"),
        ('{"stream_options": null, "schema": {"anything": 1}, "form": null}', ""),
        ("[1]", ""),
        ('{"prompt": ', ""),
        ("[" * 100_000, ""),
    ],
)
def test_the_first_field_that_is_not_known_is_named(body: str, field: str) -> None:
    assert unknown_field(fields_of(body.encode()), Asked) == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"prompt": "a"}', ""),
        ('{"request_id": "mine"}', "request_id"),
        ('{"request_id": ""}', "request_id"),
        ('{"return_token_offsets": true}', "return_token_offsets"),
        ('{"return_token_offsets": false}', ""),
        ('{"return_token_offsets": null, "return_token_ids": true}', ""),
        ('{"return_assistant_tokens_mask": true}', "return_assistant_tokens_mask"),
    ],
)
def test_a_field_that_is_known_and_changes_nothing_is_named(body: str, field: str) -> None:
    assert field_without_effect(fields_of(body.encode())) == field


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ('{"prompt": "a"}', 1),
        ('{"prompt": [1, 2, 3]}', 1),
        ('{"prompt": ["a", "b", "c"]}', 3),
        ('{"prompt": [[1, 2], [3]]}', 2),
        ('{"prompt": ["a", "b"], "n": 5}', 10),
        ('{"prompt": "a", "prompt_embeds": ["x", "y"]}', 3),
        ('{"messages": [{}, {}], "n": 4000}', 4000),
        ('{"messages": [{}, {}], "n": "4000"}', 4000),
        ('{"prompt": [], "n": null}', 1),
        ('{"n": -3}', 1),
        ("[1, 2]", 1),
    ],
)
def test_a_request_has_as_many_texts_as_prompts_times_answers(body: str, texts: int) -> None:
    assert texts_asked(fields_of(body.encode())) == texts


def config(*, running: int, engines: int = 1) -> Any:
    """The part of vLLM's configuration that is read."""
    return SimpleNamespace(
        scheduler_config=SimpleNamespace(max_num_seqs=running),
        parallel_config=SimpleNamespace(data_parallel_size=engines),
        model_config=SimpleNamespace(served_model_name="tiny"),
    )


class Room:
    """Places before a server whose answers end when they are told to."""

    def __init__(self, *, waiting: int, **sizes: int) -> None:
        self.registry = CollectorRegistry()
        rejected = Counter("rejected", "", ("model_name", "engine"), registry=self.registry)
        self.places = Places(self.answer, waiting=waiting, rejected=rejected)
        self.app = SimpleNamespace(state=SimpleNamespace(vllm_config=config(**sizes)))
        self.end = asyncio.Event()
        self.answering = 0

    async def answer(self, *_: object) -> None:
        """The server behind."""
        self.answering += 1
        await self.end.wait()

    async def ask(
        self, path: str = "/v1/completions", method: str = "POST", texts: int = 1
    ) -> None:
        """Ask, and return once the answer has ended."""
        asked = {"type": "http", "method": method, "path": path, TEXTS_SCOPE: texts}
        scope = {**asked, "app": self.app}
        await self.places(scope, nothing, nothing)

    def refused(self) -> float | None:
        """How many refusals were counted."""
        return self.registry.get_sample_value(
            "rejected_total", {"model_name": "tiny", "engine": "0"}
        )


async def nothing(*_: object) -> Any:
    """Neither read nor written here."""


async def begun(room: Room, count: int) -> list[asyncio.Task[None]]:
    """Requests that are under way."""
    tasks = [asyncio.create_task(room.ask()) for _ in range(count)]

    async def all_of_them() -> bool:
        return room.answering == count

    await until("requests under way", all_of_them)
    return tasks


@pytest.mark.parametrize("sizes", [{"running": 2}, {"running": 1, "engines": 2}])
async def test_those_that_run_and_those_that_wait_have_a_place_and_no_others(
    sizes: dict[str, int],
) -> None:
    room = Room(waiting=3, **sizes)
    tasks = await begun(room, 5)

    with pytest.raises(QueueFull, match="5 of 5 texts"):
        await room.ask()

    assert room.refused() == 1
    room.end.set()
    await asyncio.gather(*tasks)
    await room.ask()


async def test_a_request_has_a_place_for_each_of_its_texts() -> None:
    room = Room(waiting=3, running=2)
    tasks = await begun(room, 2)

    with pytest.raises(QueueFull, match="2 of 5 texts"):
        await room.ask(texts=4)
    with pytest.raises(InvalidRequest, match="are 6 texts; a request has 5"):
        await room.ask(texts=6)

    room.end.set()
    await asyncio.gather(*tasks)
    await room.ask(texts=5)
    assert room.refused() == 1


async def test_who_leaves_leaves_the_place_to_others() -> None:
    room = Room(waiting=0, running=1)
    (task,) = await begun(room, 1)

    task.cancel()
    await asyncio.wait({task})
    room.end.set()
    await room.ask()

    assert room.answering == 2


async def test_what_generates_nothing_needs_no_place() -> None:
    room = Room(waiting=0, running=1)
    tasks = await begun(room, 1)
    room.end.set()

    await room.ask("/v1/models", "GET")
    await room.ask("/tokenize")

    assert room.answering == 3
    await asyncio.gather(*tasks)


def test_the_queue_is_as_long_as_our_own_servers_by_the_same_names() -> None:
    words = ["some/model", "--max-model-len=512"]

    assert front_settings(words, {}).max_queue == 256
    assert front_settings(words, {"INFERENCE_MAX_QUEUE": "4"}).max_queue == 4
    assert front_settings([*words, "--max-queue=3"], {"INFERENCE_MAX_QUEUE": "4"}).max_queue == 3


def test_a_queue_of_no_length_ends_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        front_settings(["--max-queue=-1"], {})

    assert "--max-queue" in capsys.readouterr().err


def run(
    *asked: tuple[str, str | None, dict[str, str]], queue: int = 8
) -> subprocess.CompletedProcess[str]:
    """The server, once each question, all asked at once, was answered."""
    done = subprocess.run(
        [str(inference_python()), str(Path(__file__).with_name("fronted.py"))],
        input=json.dumps(asked),
        env={**os.environ, "INFERENCE_MAX_QUEUE": str(queue)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def said(*asked: tuple[str, str | None, dict[str, str]], queue: int = 8) -> Any:
    """Status, headers and body of each question, all asked at once, and metrics by their side."""
    return json.loads(run(*asked, queue=queue).stdout)


KEY = {"authorization": "Bearer secret"}
TEXT = "/v1/completions"
REJECTED = 'kaito_inference_requests_rejected_total{engine="0",model_name="tiny"}'


@pytest.mark.timeout(60)
def test_every_answer_has_the_id_that_the_server_behind_was_told() -> None:
    (given, made, refused, chat), _ = said(
        (TEXT, '{"prompt": "a"}', {**KEY, "x-request-id": "mine"}),
        (TEXT, '{"prompt": "b"}', KEY),
        (TEXT, '{"nonsense": 1}', {**KEY, "x-request-id": "yours"}),
        ("/chat", '{"prompt": "c", "generate_kwargs": {"do_sample": false}}', KEY),
    )

    assert (given[1]["x-request-id"], given[2]["id"]) == ("mine", "mine")
    assert made[1]["x-request-id"] == made[2]["id"] != "mine"
    assert (refused[0], refused[1]["x-request-id"]) == (400, "yours")
    assert (chat[0], chat[2]) == (200, {"Result": "c[1, 2]"})
    assert chat[1]["x-request-id"]


@pytest.mark.timeout(60)
def test_a_refusal_names_the_field_to_who_has_the_key_alone() -> None:
    (known, unknown, broken), _ = said(
        (TEXT, '{"prompt": "a", "nonsense": 1}', KEY),
        (TEXT, '{"prompt": "a", "nonsense": 1}', {}),
        (TEXT, '{"prompt', KEY),
    )

    wanted = {"message": "nonsense: unknown field", "type": "invalid_request_error"}
    assert known[2] == {"error": {**wanted, "param": "nonsense", "code": 400}}
    assert (unknown[0], unknown[2]["error"]["param"]) == (401, None)
    assert broken[0] == 422


@pytest.mark.timeout(60)
def test_a_field_without_effect_is_refused_with_what_has_it() -> None:
    (id, offsets, without), _ = said(
        (TEXT, '{"prompt": "a", "request_id": "mine"}', KEY),
        (TEXT, '{"prompt": "a", "return_token_offsets": true}', KEY),
        (TEXT, '{"prompt": "a", "return_token_offsets": false}', KEY),
    )

    assert (id[0], id[2]["error"]["param"]) == (400, "request_id")
    assert "send the header X-Request-Id" in id[2]["error"]["message"]
    assert (offsets[0], offsets[2]["error"]["param"]) == (400, "return_token_offsets")
    assert without[0] == 200


@pytest.mark.timeout(60)
def test_what_the_server_behind_says_of_an_error_and_the_log_have_the_id_too() -> None:
    done = run(
        (TEXT, '{"prompt": "nonsense"}', {**KEY, "x-request-id": "mine"}),
        (TEXT, '{"prompt": "a"}', KEY),
    )
    (wrong, other), _ = json.loads(done.stdout)
    (line,) = [json.loads(text) for text in done.stderr.splitlines()]

    assert (wrong[0], wrong[1]["x-request-id"]) == (400, "mine")
    assert wrong[2] == {"error": {"message": "nonsense"}}
    assert other[0] == 200
    assert (line["level"], line["event"]) == ("warning", "request.failed")
    assert line["request_id"] == "mine"
    assert line["exception"].endswith("ValueError: nonsense")


@pytest.mark.timeout(60)
def test_a_request_too_many_is_told_when_to_come_again() -> None:
    chat = ("/chat", '{"prompt": "a"}', KEY)

    found, (before, after) = said(
        (TEXT, "{}", KEY), (TEXT, "{}", KEY), (TEXT, "{}", KEY), chat, queue=1
    )

    refused = [one for one in found if one[0] != 200]
    assert [one[0] for one in refused] == [429, 429]
    assert {one[1]["retry-after"] for one in refused} == {"1"}
    assert {one[2]["error"]["type"] for one in refused} == {"rate_limit_error"}
    assert f"{REJECTED} 0.0" in before
    assert f"{REJECTED} 2.0" in after


@pytest.mark.timeout(60)
def test_who_leaves_amid_a_question_is_no_fault_and_takes_no_place() -> None:
    (gone, other), _ = said((TEXT, None, KEY), (TEXT, '{"prompt": "a"}', KEY), queue=0)

    assert gone is None
    assert other[0] == 200


@pytest.mark.timeout(60)
def test_a_path_that_is_not_in_the_contract_is_none() -> None:
    paths = ["/invocations", "/v1/responses", "/tokenize", "/v1/completions/", "/"]
    found, _ = said(*((path, '{"prompt": "a"}', KEY) for path in paths))

    assert [one[0] for one in found] == [404] * len(paths)
    wanted = {"message": "Not Found", "type": "invalid_request_error", "param": None, "code": 404}
    assert [one[2] for one in found] == [{"error": wanted}] * len(paths)


@pytest.mark.timeout(60)
def test_a_model_is_told_by_its_name_to_who_has_the_key() -> None:
    (known, unknown, keyless), _ = said(
        ("/v1/models/tiny", "", KEY), ("/v1/models/other", "", KEY), ("/v1/models/tiny", "", {})
    )

    assert (known[0], known[2]) == (200, {"id": "tiny", "root": "here"})
    assert (unknown[0], unknown[2]["error"]["param"]) == (404, "model")
    assert keyless[0] == 401


@pytest.mark.timeout(60)
def test_many_prompts_in_one_request_have_no_more_places_than_many_requests() -> None:
    (most, more), _ = said(
        (TEXT, '{"prompt": ["a", "b"], "n": 2}', KEY),
        (TEXT, '{"prompt": "a", "n": 5}', KEY),
        queue=3,
    )

    assert most[0] == 200
    assert (more[0], more[2]["error"]["code"]) == (400, 400)
    assert "5 texts; a request has 4" in more[2]["error"]["message"]


@pytest.mark.timeout(60)
def test_who_has_no_key_gets_no_place_where_there_is_none_nor_where_there_is_one() -> None:
    nobody: dict[str, str] = {}
    keyless = [(TEXT, '{"prompt": "a"}', nobody)] * 4
    found, _ = said(*keyless, (TEXT, '{"prompt": "b"}', KEY), *keyless, queue=0)

    assert [one[0] for one in found] == [401] * 4 + [200] + [401] * 4
