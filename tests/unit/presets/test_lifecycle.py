"""From the process's start to its end: bind, load, serve, drain."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.unit.presets.page import metrics_page
from tests.unit.presets.program import Program

pytestmark = pytest.mark.timeout(180)

LONG = {
    "prompt": "Hello",
    "generate_kwargs": {"do_sample": False, "max_new_tokens": 1500, "min_new_tokens": 1500},
}
"""Seconds of work for one thread."""


@pytest.fixture
def narrow(model: Path) -> Iterator[Program]:
    """A server where nobody may wait, and that is still loading."""
    program = Program.start(model, "--max-queue=0", "--max-batch-requests=1", "--drain-seconds=120")
    yield program
    program.close()


async def until_running(http: aiohttp.ClientSession, count: int) -> None:
    """Ask until so many requests are generated at the moment."""
    while (await metrics_page(http)).value("vllm:num_requests_running") != count:
        pass


async def test_one_request_runs_the_next_is_turned_away_and_sigterm_waits_for_the_first(
    narrow: Program,
) -> None:
    async with aiohttp.ClientSession(narrow.url) as http:
        async with http.get("/healthz") as early, http.post("/chat", json=LONG) as too_early:
            assert (early.status, too_early.status) == (503, 503)
            assert "loading" in (await early.json())["error"]["message"]
            assert "Retry-After" in early.headers
        async with http.get("/") as root:
            assert root.status == 200
        await asyncio.to_thread(narrow.wait_for, "model.loaded")

        running = asyncio.create_task(http.post("/chat", json=LONG))
        await until_running(http, 1)
        async with http.post("/chat", json=LONG) as refused:
            assert refused.status == 429
            assert refused.headers["Retry-After"] == "1"
        exit_code = asyncio.create_task(asyncio.to_thread(narrow.terminate))
        answer = await running

        assert answer.status == 200
        assert len((await answer.json())["Result"]) > 1000
        assert await exit_code == 0
    events = [line["event"] for line in narrow.rest() if line["logger"] == "serving"]
    assert events == ["request.finished", "process.stopped"]


async def test_sigterm_while_the_model_loads_ends_at_once(narrow: Program) -> None:
    assert await asyncio.to_thread(narrow.terminate) == 0

    assert "model.loaded" not in [line["event"] for line in narrow.rest()]


async def aborted(http: aiohttp.ClientSession) -> float:
    """How many requests were given up so far."""
    page = await metrics_page(http)
    return page.value("vllm:request_success_total", finished_reason="abort")


async def test_who_goes_away_frees_the_model(server: Program, http: aiohttp.ClientSession) -> None:
    before = await aborted(http)
    async with aiohttp.ClientSession(server.url) as leaving:
        asking = asyncio.create_task(leaving.post("/chat", json=LONG))
        await until_running(http, 1)

        asking.cancel()
    await until_running(http, 0)

    assert await aborted(http) == before + 1


@pytest.mark.parametrize("event", ["settings.loaded", "model.loaded"])
def test_pid_1_hears_sigterm_early_and_late(model: Path, event: str) -> None:
    own_pids = ("bwrap", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--unshare-pid")
    weights = f"--pretrained-model-name-or-path={model}"
    program = Program.spawn(weights, prefix=(*own_pids, "--as-pid-1", "--die-with-parent"))
    program.wait_for(event)
    pid = program.process.pid
    child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]

    os.kill(int(child), signal.SIGTERM)

    assert program.process.wait(60) == 0
    program.close()


def test_a_missing_model_ends_the_start_and_says_why(tmp_path: Path) -> None:
    note = tmp_path / "termination-log"
    note.touch()
    program = Program.start(tmp_path / "nothing", f"--termination-log={note}")

    assert program.process.wait(90) == 1
    assert note.read_text().startswith("the model could not be loaded")
    assert "nothing" in note.read_text()
    assert "model.failed" in [line["event"] for line in program.rest()]
    program.close()


def test_a_damaged_model_ends_the_start(tmp_path: Path, model: Path) -> None:
    for file in model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    program = Program.start(tmp_path)

    assert program.process.wait(90) == 1
    program.close()


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("--max-queue=-1", "--max-queue"),
        ("--port=99999", "--port"),
        ("--torch-dtype=int3", "--torch-dtype"),
        ("--device=tpu", "--device"),
        ("--unknown=1", "--unknown"),
    ],
)
def test_a_wrong_setting_is_named(flag: str, named: str) -> None:
    program = Program.spawn(flag)

    assert program.process.wait(60) == 2
    assert named in str(program.rest()[-1]["text"])
    program.close()


def test_a_flag_goes_before_the_environment() -> None:
    program = Program.spawn(
        "--max-queue=3", "--host=192.0.2.1", environment={"INFERENCE_MAX_QUEUE": "4"}
    )

    assert program.wait_for("settings.loaded")["max_queue"] == 3
    assert program.process.wait(60) == 1
    program.close()


def test_a_taken_port_ends_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        program = Program.spawn(environment={"PORT": str(taken.getsockname()[1])})

        assert program.process.wait(60) == 1
    assert program.wait_for("server.failed")["host"] == "127.0.0.1"
    program.close()
