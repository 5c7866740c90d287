"""The trainer as a process, on the tiny model: told to stop, started again, and pushed.

What becomes of one that is killed, and of its pod, test_tuning shows in a cluster.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hack.cluster import datasets
from hack.cluster.cache import cache_folder
from tests.ociregistry import OciRegistry, oci_registry

pytestmark = pytest.mark.timeout(180)

PRESETS = Path(__file__).parents[2] / "presets" / "tuning"
PYTHON = cache_folder() / "inference" / "bin" / "python"
INTERRUPTED = 143
PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    "training_config": {
        "LoraConfig": {"lora_dropout": 0.0},
        "TrainingArguments": {
            "max_steps": 60,
            "gradient_accumulation_steps": 1,
            "save_strategy": "steps",
            "save_steps": 10,
            "logging_steps": 10,
        },
    }
}


@dataclass
class Pod:
    """The folders of a pod, and the trainer's container in it.

    Attributes:
        home: holds them.
        flags: beside those that every test has.
        arguments: training arguments beside those.
        scrapes: its metrics, by name, after each line about the progress.
    """

    home: Path
    flags: list[str] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)
    scrapes: list[dict[str, float]] = field(default_factory=list)

    @property
    def work(self) -> Path:
        """Checkpoints and the adapter."""
        return self.home / "work"

    @asynccontextmanager
    async def start(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A container that runs; killed at the end of the block, if it does still."""
        config = self.home / "config.yaml"
        sections = PARAMETERS["training_config"]
        arguments = {**sections["TrainingArguments"], **self.arguments}
        config.write_text(
            json.dumps({"training_config": {**sections, "TrainingArguments": arguments}})
        )
        (self.home / "note").write_text("")
        process = await asyncio.create_subprocess_exec(
            *(str(PYTHON), str(PRESETS / "trainer.py"), "--method=lora", "--run-id=one"),
            f"--base-model={cache_folder() / 'models' / 'tiny-phi-3'}",
            *(f"--config={config}", f"--data-folder={self.home / 'data'}"),
            *(f"--work-folder={self.work}", f"--termination-log={self.home / 'note'}"),
            *("--host=127.0.0.1", "--port=0", "--threads=1", *self.flags),
            env={**os.environ, "PYTHONPATH": "", "TMPDIR": str(self.home)},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def note(self) -> Any:
        """Its last words."""
        return json.loads((self.home / "note").read_text())

    async def end(self) -> tuple[int, list[Any]]:
        """Run it to its end; exit code and log."""
        entries: list[Any] = []
        async with self.start() as process:
            assert process.stderr
            async for line in process.stderr:
                entries += read(line)
                if b'"training.progressed"' in line:
                    (served,) = of(entries, "metrics.served")
                    await self._scrape(served["port"])
            return await process.wait(), entries

    async def _scrape(self, port: int) -> None:
        """Read its metrics, unless it has ended meanwhile."""
        with suppress(aiohttp.ClientError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{port}/metrics") as answer,
            ):
                families = text_string_to_metric_families(await answer.text())
                samples = [one for family in families for one in family.samples]
                self.scrapes.append({one.name: one.value for one in samples})

    async def ended_at(self, event: str, number: signal.Signals) -> int:
        """Send a signal at the first line of an event; the exit code."""
        async with self.start() as process:
            assert process.stderr
            async for line in process.stderr:
                if any(entry["event"] == event for entry in read(line)):
                    process.send_signal(number)
                    break
            await process.communicate()
            return process.returncode or 0


def read(line: bytes) -> list[Any]:
    """The entry of a log line; none of a line that a library wrote."""
    return [json.loads(line)] if line.startswith(b"{") else []


def of(entries: list[Any], event: str) -> list[Any]:
    return [entry for entry in entries if entry["event"] == event]


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    data = datasets.ensure(cache_folder() / "datasets", python=PYTHON)
    (tmp_path / "data").mkdir()
    shutil.copy(data, tmp_path / "data")
    return Pod(tmp_path)


async def test_a_trainer_that_is_told_to_stop_saves_first_and_goes_on_later(pod: Pod) -> None:
    code = await pod.ended_at("training.progressed", signal.SIGTERM)
    stopped = pod.note()
    again, entries = await pod.end()
    third, rest = await pod.end()

    assert (code, stopped["reason"], stopped["lasting"]) == (INTERRUPTED, "Interrupted", False)
    assert (again, third) == (0, 0)
    assert of(entries, "training.resumed")[0]["step"] == stopped["step"]
    assert pod.note()["steps"] == 60
    assert of(rest, "training.begun") == []
    assert_told(pod.scrapes, of(entries, "training.progressed"))
    assert {path.name for path in (pod.work / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "README.md",
    }


def assert_told(scrapes: list[dict[str, float]], told: list[Any]) -> None:
    """Assert that the metrics have gone on with the training, and say what its log does."""
    first, last = scrapes[0], scrapes[-1]
    assert first["kaito_tuning_step"] < last["kaito_tuning_step"] <= 60
    assert 0 < first["kaito_tuning_epoch"] < last["kaito_tuning_epoch"]
    assert {each["kaito_tuning_checkpoint_step"] for each in scrapes} <= {0, 10, 20, 30, 40, 50, 60}
    assert {each["kaito_tuning_steps"] for each in scrapes} == {60}
    losses = {round(each["kaito_tuning_loss"], 4) for each in scrapes}
    left = {round(each["kaito_tuning_remaining_seconds"]) for each in scrapes}
    assert losses <= {each["loss"] for each in told}
    assert left <= {each["eta_seconds"] for each in told}
    assert len(losses) > 1
    assert told[-1]["eta_seconds"] == 0


async def test_an_adapter_that_is_no_longer_made_of_numbers_is_not_handed_on(pod: Pod) -> None:
    pod.arguments = {"learning_rate": 1e30, "max_steps": 12, "save_steps": 4}

    code, entries = await pod.end()

    told = pod.note()
    assert (code, told["reason"], told["lasting"]) == (1, "TrainingFailed", True)
    assert "tuning.config: after step 4 of 12 the adapter's weights" in told["message"]
    assert "set TrainingArguments.learning_rate lower" in told["message"]
    assert of(entries, "checkpoint.saved") == []
    assert not (pod.work / "adapter").exists()


async def test_a_registry_that_is_away_costs_no_training(
    pod: Pod, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with oci_registry(tmp_path_factory.mktemp("r")) as registry:
        pushing(pod, registry, "--push-seconds=1")
        await registry.stop()
        early, before = await pod.end()
        waited = pod.note()
        await registry.start()
        late, after = await pod.end()

    assert (early, waited["reason"], waited["lasting"]) == (1, "PushFailed", False)
    assert of(before, "training.begun") == []
    assert late == 0
    assert len(of(after, "adapter.pushed")) == 1


async def test_an_adapter_outlives_a_registry_that_hangs_when_it_is_pushed(
    pod: Pod, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with oci_registry(tmp_path_factory.mktemp("r")) as registry:
        pushing(pod, registry, "--push-seconds=5")
        async with pod.start() as process:
            assert process.stderr
            async for line in process.stderr:
                # Not later: the push could be over first. Lost checkpoints cost a warning.
                if of(read(line), "training.begun"):
                    registry.signal(signal.SIGSTOP)
            early = await process.wait()
        hung = pod.note()
        registry.signal(signal.SIGCONT)
        late, after = await pod.end()

    assert (early, hung["reason"], hung["lasting"]) == (1, "PushFailed", False)
    assert "it gave no answer within 5 s" in hung["message"]
    assert "the adapter is kept in" in hung["message"]
    assert late == 0
    assert of(after, "training.begun") == []
    assert len(of(after, "adapter.pushed")) == 1


async def test_an_adapter_outlives_a_volume_that_does_not_take_it(pod: Pod) -> None:
    volume = pod.home / "volume"
    (volume / "adapter_config.json").mkdir(parents=True)
    pod.flags = [f"--output-folder={volume}"]
    pod.arguments = {"max_steps": 4, "save_steps": 2}

    early, _ = await pod.end()
    told = pod.note()
    kept = {file.name: file.read_bytes() for file in (pod.work / "adapter").iterdir()}
    (volume / "adapter_config.json").rmdir()
    late, after = await pod.end()

    assert (early, told["reason"], told["lasting"]) == (1, "PushFailed", False)
    assert "tuning.output.volumeSource does not take the adapter: " in told["message"]
    assert f"the adapter is kept in {pod.work}" in told["message"]
    assert (late, of(after, "training.begun"), pod.note()["steps"]) == (0, [], 4)
    assert {file.name: file.read_bytes() for file in volume.iterdir()} == kept


def pushing(pod: Pod, registry: OciRegistry, *flags: str) -> None:
    """Have a pod push to a registry."""
    registry.secret(pod.home / "secrets" / "push")
    pod.flags = [
        f"--output-image={registry.address}/team/adapter:1",
        *("--output-secret=push", f"--secrets-folder={pod.home / 'secrets'}"),
        *(f"--ca-bundle={registry.authority}", *flags),
    ]
