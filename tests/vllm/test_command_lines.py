"""vLLM's parser takes what is rendered for every row of the catalogue that names it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from front.launch import launch

from hack.cluster.cache import cache_folder
from kaito.catalog.catalog import read_catalog
from kaito.catalog.preset import Origin
from kaito.workloads.launch import launch_command

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
SKUS = ("Standard_NC24ads_A100_v4", "Standard_ND96isr_H100_v5", None)
PROGRAM = "/workspace/inference/vllm_server.py"
LAUNCHER = "inference_api.py"
NOT_HERE = ("--kaito-", "--chat-template=/workspace/")
"""What upstream's launcher takes for itself, and files that only its image has."""


def rendered(origin: Origin) -> Iterator[tuple[str, list[str]]]:
    """Each command line with the name of its preset, without the program itself."""
    catalog = read_catalog(ROOT / "presets", origin=origin)
    for preset in catalog.models():
        if preset.image.runtime != "vllm":
            continue
        for name in SKUS:
            sku = catalog.skus[name] if name else None
            gpus = sku.gpus if sku else 2
            yield f"{preset.name} on {name}", launch_command(preset, sku, nodes=1, gpus=gpus)


def after_serve(command: Sequence[str]) -> list[str]:
    """What vLLM's parser sees of a command."""
    if command[1] == PROGRAM:
        return list(launch(command[2:]).command[2:])
    start = next(index for index, word in enumerate(command) if word.endswith(LAUNCHER))
    return [word for word in command[start + 1 :] if not word.startswith(NOT_HERE)]


def refusals(commands: list[list[str]]) -> tuple[list[str], str]:
    """What vLLM refuses in each, and its version."""
    python = cache_folder() / "vllm" / "bin" / "python"
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("parse.py"))],
        input=json.dumps(commands),
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *found, version = json.loads(done.stdout.splitlines()[-1])
    return found, version


def of_rank(folder: Path, rank: int) -> Path:
    """A folder of adapters, as they are unpacked."""
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank}
    for name in ("legal", "polite", ".merged"):
        (folder / name).mkdir(parents=True)
        (folder / name / "adapter_config.json").write_text(json.dumps(config))
        (folder / name / "adapter_model.safetensors").touch()
    return folder


@pytest.mark.parametrize("origin", ["kaito", "upstream"])
def test_vllm_takes_every_command_line_of_the_catalogue(origin: Origin) -> None:
    named = list(rendered(origin))

    found, _ = refusals([after_serve(command) for _, command in named])

    assert len(named) > 100
    said = zip(named, found, strict=True)
    assert {name: refusal for (name, _), refusal in said if refusal} == {}


def test_vllm_takes_adapters_of_every_rank(tmp_path: Path) -> None:
    _, command = next(rendered("kaito"))
    folders = [of_rank(tmp_path / str(rank), rank) for rank in (1, 2, 8, 9, 100, 511, 512)]

    words = [after_serve([*command, f"--adapters-dir={folder}"]) for folder in folders]

    assert set(refusals(words)[0]) == {""}
    assert all(f".merged={folder}/.merged" in words[at] for at, folder in enumerate(folders))


def test_vllm_takes_what_a_pod_of_several_is_told() -> None:
    _, command = next(rendered("kaito"))
    pod = [
        *("--distributed-executor-backend=mp", "--nnodes=2", "--node-rank=1"),
        *("--master-port=29500", "--headless", "--master-addr=10.0.0.1"),
    ]

    assert refusals([after_serve([*command, *pod])])[0] == [""]


def test_the_version_is_that_of_our_image() -> None:
    dockerfile = (ROOT / "presets" / "inference" / "vllm.Dockerfile").read_text()

    _, version = refusals([])

    assert f"ARG BASE=vllm/vllm-openai:v{version}\n" in dockerfile


def test_what_vllm_does_not_know_is_refused() -> None:
    _, command = next(rendered("kaito"))

    (refusal,), _ = refusals([[*after_serve(command), "--no-such-flag=1"]])

    assert "--no-such-flag" in refusal
