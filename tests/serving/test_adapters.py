"""Adapters: what is asked of each is what PEFT answers, alone and all at once."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.serving.conftest import TOKENS, Answers, output_of
from tests.unit.presets.program import Program

pytestmark = pytest.mark.timeout(240)

PROMPTS = ["What is KAITO?", "Who are you?", "What is Kubernetes?"]
BOTH = "ships+birds"


@pytest.fixture(scope="module")
def expected(oracle: Callable[[dict[str, list[str]]], Answers]) -> Answers:
    return oracle(dict.fromkeys(("", "ships", "birds", BOTH), PROMPTS))


async def completion(http: aiohttp.ClientSession, model: str, prompt: str) -> str:
    fields = {"model": model, "prompt": prompt, "max_tokens": TOKENS, "temperature": 0}
    async with http.post("/v1/completions", json=fields) as response:
        body = await response.json()
        assert response.status == 200, body
        return str(body["choices"][0]["text"])


@pytest.mark.parametrize("name", ["", "ships", "birds"])
async def test_an_adapter_answers_as_pefts_own(
    http: aiohttp.ClientSession, expected: Answers, name: str
) -> None:
    answers = [await completion(http, name or "tiny", prompt) for prompt in PROMPTS]

    assert answers == expected[name]


def test_the_adapters_know_what_the_model_does_not(expected: Answers) -> None:
    assert "wooden ship" in expected["ships"][0]
    assert "grey bird" in expected["birds"][1]
    assert "operator for Kubernetes" in expected[""][0]


async def test_requests_for_all_adapters_at_once_do_not_mix(
    http: aiohttp.ClientSession, expected: Answers
) -> None:
    asked = [(name, index) for name in ("", "ships", "birds") for index in range(3)] * 4

    answers = await asyncio.gather(
        *(completion(http, name or "tiny", PROMPTS[index]) for name, index in asked)
    )

    assert answers == [expected[name][index] for name, index in asked]


@pytest.mark.parametrize("alone", [{}, {"num_beams": 1, "min_length": 1}], ids=["batch", "alone"])
async def test_chat_answers_with_all_adapters_together(
    http: aiohttp.ClientSession, expected: Answers, alone: dict[str, object]
) -> None:
    kwargs = {"do_sample": False, "max_new_tokens": TOKENS, **alone}
    for prompt, answer in zip(PROMPTS, expected[BOTH], strict=True):
        fields = {"prompt": prompt, "return_full_text": False, "generate_kwargs": kwargs}
        async with http.post("/chat", json=fields) as response:
            assert await response.json() == {"Result": answer}


async def test_the_list_of_models_says_whose_children_the_adapters_are(
    http: aiohttp.ClientSession,
) -> None:
    async with http.get("/v1/models") as response:
        cards = (await response.json())["data"]
    async with http.get("/v1/models/birds") as response:
        bird = await response.json()

    assert [(card["id"], card["parent"]) for card in cards] == [
        ("tiny", None),
        ("birds", "tiny"),
        ("ships", "tiny"),
    ]
    assert bird in cards


async def test_a_name_that_is_not_served_is_404(http: aiohttp.ClientSession) -> None:
    fields = {"model": "trains", "prompt": "Hello"}
    async with http.post("/v1/completions", json=fields) as response:
        error = (await response.json())["error"]
    async with http.get("/v1/models/trains") as card:
        assert card.status == 404

    assert (response.status, error["param"]) == (404, "model")
    assert "ships" in error["message"]


async def test_metrics_name_the_adapters_that_run(http: aiohttp.ClientSession) -> None:
    async with http.get("/metrics") as response:
        lines = (await response.text()).splitlines()

    info = [line for line in lines if line.startswith("vllm:lora_requests_info{")]
    assert len(info) == 1
    assert 'max_lora="2"' in info[0]


def without_config(folder: Path) -> None:
    (folder / "ships" / "adapter_config.json").unlink()


def of_another_kind(folder: Path) -> None:
    change(folder / "ships", peft_type="PREFIX_TUNING")


def of_another_rank(folder: Path) -> None:
    change(folder / "ships", r=5)


def for_other_modules(folder: Path) -> None:
    change(folder / "ships", target_modules=["q_proj"])


def for_fewer_modules(folder: Path) -> None:
    change(folder / "ships", target_modules=["qkv_proj"])


def for_more_modules(folder: Path) -> None:
    change(
        folder / "ships",
        target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head"],
    )


def cut_short(folder: Path) -> None:
    weights = folder / "ships" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def unmerged(folder: Path) -> None:
    shutil.rmtree(folder / ".merged")


def named_like_the_model(folder: Path) -> None:
    (folder / "ships").rename(folder / "tiny")


def oddly_named(folder: Path) -> None:
    (folder / "ships").rename(folder / "Ships!")


def named_like_a_method(folder: Path) -> None:
    (folder / "ships").rename(folder / "half")


def change(adapter: Path, **fields: object) -> None:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


MISFIT = "adapter ships: does not fit the model: serve it with the one that it was trained on"
BROKEN: dict[Callable[[Path], None], str] = {
    without_config: "adapter ships: adapter_config.json cannot be read",
    of_another_kind: "adapter ships: its peft_type is PREFIX_TUNING",
    of_another_rank: f"{MISFIT} (RuntimeError: Error(s) in loading state_dict",
    for_other_modules: f"{MISFIT} (NoMatchingPeftModuleError: Target modules {{'q_proj'}}",
    for_fewer_modules: "adapter ships: does not fit the model: no such place",
    for_more_modules: "adapter ships: does not fit the model: not in the file",
    cut_short: "adapter ships: SafetensorError: ",
    unmerged: "adapter .merged: is missing beside birds, ships",
    named_like_the_model: "adapter tiny: the model itself has that name",
    oddly_named: "adapter Ships!: its name is not letters, digits and '-' between them",
}


@pytest.fixture(scope="module")
def reasons(model: Path, adapters: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is said of each broken folder, and at last of two that are not."""
    changes = (*BROKEN, named_like_a_method)
    folders = [tmp_path_factory.mktemp(change.__name__) for change in changes]
    for folder, spoil in zip(folders, changes, strict=True):
        shutil.copytree(adapters, folder, dirs_exist_ok=True)
        spoil(folder)
    said: list[str] = json.loads(output_of("broken.py", model, *folders, adapters))
    return said


@pytest.mark.parametrize("spoil", BROKEN, ids=lambda spoil: spoil.__name__)
def test_what_is_wrong_with_an_adapter_is_said_with_its_name(
    reasons: list[str], spoil: Callable[[Path], None]
) -> None:
    said = reasons[list(BROKEN).index(spoil)]

    assert said.startswith(BROKEN[spoil])
    assert "\n" not in said


def test_nothing_is_said_of_adapters_that_are_whole(reasons: list[str]) -> None:
    assert reasons[-2:] == ["", ""]


def test_a_broken_adapter_ends_the_start(model: Path, adapters: Path, tmp_path: Path) -> None:
    folder, note = tmp_path / "adapters", tmp_path / "termination-log"
    shutil.copytree(adapters, folder)
    note.touch()
    of_another_rank(folder)
    program = Program.start(model, f"--adapters-dir={folder}", f"--termination-log={note}")

    assert program.process.wait(120) == 1
    said = note.read_text()
    assert said.startswith("adapter ships: ")
    assert said.count("\n") == 1
    program.close()
