"""The program of the image with vLLM: what it starts vLLM with, and when it does not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from front.fit import refused_by_vllm
from front.launch import launch
from safetensors.numpy import save_file
from serving.errors import BadAdapter

from tests.unit.presets.program import inference_python

PROGRAM = Path("presets/inference/vllm_server.py").absolute()
MODEL = ("some/model", "--served-model-name=tiny", "--port=5000")
SHOW = """
import json, os, sys
chat, pid = os.environ["KAITO_CHAT_MODEL"], os.getpid()
print(json.dumps({"words": sys.argv[1:], "chat": chat, "pid": pid}))
"""


def an_adapter(folder: Path, *, rank: int) -> Path:
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").touch()
    return folder


def started(folder: Path, text: str, *words: str, named: str = "vllm") -> subprocess.Popen[str]:
    """The program in an image whose `vllm` is that text."""
    (folder / "bin").mkdir()
    (folder / "bin" / named).write_text(text)
    (folder / "bin" / named).chmod(0o755)
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *words],
        env={**os.environ, "PATH": str(folder / "bin")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_adapters_vllm_gets_our_flags_and_the_middleware() -> None:
    found = launch(MODEL)

    own = ("--shutdown-timeout=25", "--middleware=front.app.Front")
    assert found.command == ("vllm", "serve", *MODEL, *own)
    assert found.chat_model == ""


def test_a_drain_of_one_s_own_counts() -> None:
    own = (*MODEL, "--shutdown-timeout=5")

    assert launch(own).command == ("vllm", "serve", *own, "--middleware=front.app.Front")


def test_an_empty_folder_is_no_adapter(tmp_path: Path) -> None:
    assert launch([*MODEL, f"--adapters-dir={tmp_path}"]) == launch(MODEL)


def test_each_adapter_and_the_sum_are_served_and_the_sum_answers_chat(tmp_path: Path) -> None:
    for name, rank in {"legal": 8, "polite": 40, ".merged": 48}.items():
        an_adapter(tmp_path / name, rank=rank)

    found = launch([*MODEL, f"--adapters-dir={tmp_path}"])

    # https://docs.vllm.ai/en/stable/features/lora: ranks are rounded up to one that it knows.
    assert found.command[len(("vllm", "serve", *MODEL)) + 2 :] == (
        "--enable-lora",
        "--max-loras=3",
        "--max-lora-rank=64",
        "--lora-modules",
        f"legal={tmp_path}/legal",
        f"polite={tmp_path}/polite",
        f".merged={tmp_path}/.merged",
    )
    assert found.chat_model == ".merged"


def test_a_single_adapter_is_loaded_once_and_answers_chat(tmp_path: Path) -> None:
    for name in ("legal", ".merged"):
        an_adapter(tmp_path / name, rank=16)

    found = launch([*MODEL, f"--adapters-dir={tmp_path}"])

    assert found.command[-4:] == (
        "--max-loras=1",
        "--max-lora-rank=16",
        "--lora-modules",
        f"legal={tmp_path}/legal",
    )
    assert found.chat_model == "legal"


@pytest.mark.parametrize(("rank", "said"), [(513, "its rank is 513"), (0, "its rank is 0")])
def test_a_rank_that_vllm_cannot_serve_is_refused_by_the_adapters_name(
    tmp_path: Path, rank: int, said: str
) -> None:
    an_adapter(tmp_path / "legal", rank=rank)

    with pytest.raises(BadAdapter, match=f"adapter legal: .*{said}"):
        launch([*MODEL, f"--adapters-dir={tmp_path}"])


def test_the_program_becomes_vllm_in_its_own_process(tmp_path: Path) -> None:
    an_adapter(tmp_path / "adapters" / "legal", rank=4)

    program = started(tmp_path, SHOW, *MODEL, f"--adapters-dir={tmp_path}/adapters")
    shown = json.loads(program.communicate()[0])

    assert program.returncode == 0
    assert shown["pid"] == program.pid
    assert shown["words"][: len(MODEL) + 1] == ["serve", *MODEL]
    assert shown["chat"] == "legal"


def test_a_broken_adapter_ends_the_start_with_its_reason(tmp_path: Path) -> None:
    an_adapter(tmp_path / "adapters" / "legal", rank=600)

    program = started(tmp_path, SHOW, *MODEL, f"--adapters-dir={tmp_path}/adapters")
    output, errors = program.communicate()

    assert (program.returncode, output) == (1, "")
    assert "adapter legal: its rank is 600" in json.loads(errors)["reason"]


def one_that_fits_and_one_that_does_not(folder: Path) -> None:
    """Adapters `fits` and `legal` for a module of 8 x 4."""
    for name, width in {"fits": 4, "legal": 3}.items():
        one = an_adapter(folder / name, rank=2)
        halves = {"A": np.zeros((2, width)), "B": np.zeros((8, 2))}
        names = {
            half: f"base_model.model.model.layers.0.q_proj.lora_{half}.weight" for half in halves
        }
        tensors = {names[half]: tensor for half, tensor in halves.items()}
        save_file(tensors, one / "adapter_model.safetensors")
    shutil.copytree(folder / "fits", folder / ".merged")


@pytest.mark.parametrize(
    "tensor",
    ["model.layers.0.q_proj", "model.language_model.layers.0.q_proj"],
    ids=["of words", "of pictures"],
)
def test_an_adapter_of_another_model_ends_the_start_before_vllm_begins(
    tmp_path: Path, tensor: str
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    save_file({f"{tensor}.weight": np.zeros((8, 4))}, weights / "model.safetensors")
    one_that_fits_and_one_that_does_not(tmp_path / "adapters")

    program = started(tmp_path, SHOW, str(weights), f"--adapters-dir={tmp_path}/adapters")
    output, errors = program.communicate()

    assert (program.returncode, output) == (1, "")
    said = json.loads(errors)["reason"]
    assert said.startswith("adapter legal: it does not fit the model: its model.layers.0.q_proj ")
    assert "8 x 3" in said
    assert "8 x 4" in said


def test_offline_an_adapter_is_compared_with_the_weights_in_the_cache(tmp_path: Path) -> None:
    # https://huggingface.co/docs/huggingface_hub/guides/manage-cache: a ref names a snapshot.
    kept = tmp_path / "cache" / "models--team--tiny"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text("0" * 40)
    snapshot = kept / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    weights = {"model.layers.0.q_proj.weight": np.zeros((8, 4))}
    save_file(weights, snapshot / "model.safetensors")
    one_that_fits_and_one_that_does_not(tmp_path / "adapters")

    done = subprocess.run(
        [
            *(str(inference_python()), str(PROGRAM), "team/tiny"),
            *(f"--download-dir={tmp_path}/cache", f"--adapters-dir={tmp_path}/adapters"),
        ],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 1
    (said,) = [json.loads(line) for line in done.stderr.splitlines() if "model.failed" in line]
    assert said["reason"].startswith("adapter legal: it does not fit the model: ")
    assert "8 x 3" in said["reason"]


def init_static_loras(name: str, said: str) -> None:
    """As vLLM's function of that name ends, where it loads what the command line names."""
    for lora in [SimpleNamespace(name="polite"), SimpleNamespace(name=name)]:
        if lora.name == name:
            raise ValueError(said)


def test_what_vllm_says_of_an_adapter_gets_the_adapters_name() -> None:
    with pytest.raises(ValueError, match="no such module") as caught:
        init_static_loras("legal", "no such module\nmore")

    assert str(refused_by_vllm(caught.value)) == (
        "adapter legal: vLLM cannot load it: no such module"
    )


def test_what_a_vllm_of_other_words_says_of_an_adapter_is_said_without_its_name() -> None:
    def init_static_loras(said: str) -> None:
        raise ValueError(said)

    with pytest.raises(ValueError, match="no such module") as caught:
        init_static_loras("no such module")

    assert str(refused_by_vllm(caught.value)).startswith("adapter of-the-list: vLLM cannot load")


def test_what_vllm_says_of_other_things_is_no_adapters() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("many")

    assert refused_by_vllm(caught.value) is None


def test_an_image_without_vllm_is_said_so(tmp_path: Path) -> None:
    program = started(tmp_path, SHOW, *MODEL, named="another")
    _, errors = program.communicate()

    assert program.returncode == 1
    assert "no vllm" in json.loads(errors)["reason"]


def test_a_signal_ends_it_before_vllm_has_handlers_of_its_own(tmp_path: Path) -> None:
    waiting = "import sys, signal\nprint('here', flush=True)\nsignal.pause()\n"
    program = started(tmp_path, waiting, *MODEL)
    assert program.stdout is not None
    assert program.stdout.readline() == "here\n"

    program.send_signal(signal.SIGTERM)
    program.communicate()

    assert program.returncode == 0
