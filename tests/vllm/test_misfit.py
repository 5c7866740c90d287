"""Adapters that the model cannot serve: one reason that names the adapter, and exit code 1."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving.hub import NAME, hub_of
from tests.unit.presets.program import inference_python
from tests.vllm.conftest import Server
from tests.wayout import https_server

pytestmark = pytest.mark.timeout(300)

MAKE = """
import json, sys, torch
from pathlib import Path
from safetensors.torch import save_file
folder, module, rows, columns = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
folder.mkdir(parents=True)
kind = "lora_embedding_{}" if "embed" in module else "lora_{}.weight"
halves = {"A": torch.zeros(2, columns), "B": torch.zeros(rows, 2)}
name = "base_model.model." + module + "."
save_file({name + kind.format(each): halves[each] for each in halves},
          folder / "adapter_model.safetensors")
config = {"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": [module.split(".")[-1]]}
(folder / "adapter_config.json").write_text(json.dumps(config))
"""


def made(folder: Path, module: str, rows: int, columns: int) -> Path:
    """A folder with the adapter `legal`, of zeros, for weights of that shape."""
    words = [str(folder / "legal"), module, str(rows), str(columns)]
    subprocess.run([str(inference_python()), "-c", MAKE, *words], check=True)
    return folder


def reason(server: Server) -> str:
    """Why there is no server, once its program has ended."""
    assert server.process.wait(240) == 1, server.log.read_text()[-3000:]
    lines = server.log.read_text().splitlines()
    # vLLM puts the name of its process before every line.
    (said,) = [line[line.index("{") :] for line in lines if '"model.failed"' in line]
    return str(json.loads(said)["reason"])


def test_an_adapter_of_a_smaller_model_is_refused_by_what_the_hub_says_of_the_weights(
    start: Callable[..., Server], model: Path, tmp_path: Path
) -> None:
    config = json.loads((model / "config.json").read_text())
    hidden = config["hidden_size"]
    folder = made(tmp_path, "model.layers.0.self_attn.o_proj", hidden, hidden // 2)

    with https_server(tmp_path, hub_of(model)) as hub:
        found = {"HF_ENDPOINT": hub.url, "SSL_CERT_FILE": str(hub.authority), "HF_HUB_OFFLINE": "0"}
        said = reason(start(f"--adapters-dir={folder}", model=NAME, **found))

    assert said.startswith("adapter legal: it does not fit the model: its model.layers.0.")
    assert f"{hidden} x {hidden // 2} weights" in said


def test_what_vllm_cannot_load_is_said_with_the_adapters_name(
    start: Callable[..., Server], model: Path, tmp_path: Path
) -> None:
    config = json.loads((model / "config.json").read_text())
    sizes = config["hidden_size"], config["vocab_size"]
    folder = made(tmp_path, "model.embed_tokens", *sizes)

    said = reason(start(f"--adapters-dir={folder}"))

    assert said.startswith("adapter legal: vLLM cannot load it: ")
    assert "embed_tokens" in said
