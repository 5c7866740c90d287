"""Training parameters: upstream's shape, our defaults, and every mistake in words."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from training import config
from training.failure import Failure, Kind

from hack.cluster.cache import cache_folder

PRESETS = Path(__file__).parents[3] / "presets" / "tuning"

UPSTREAM_QLORA = """
training_config:
  ModelConfig:
    torch_dtype: "bfloat16"
    local_files_only: true
    device_map: "auto"
  QuantizationConfig:
    load_in_4bit: true
    bnb_4bit_quant_type: "nf4"
    bnb_4bit_compute_dtype: "bfloat16"
    bnb_4bit_use_double_quant: true
  LoraConfig:
    r: 8
    lora_alpha: 8
    lora_dropout: 0.0
  TrainingArguments:
    output_dir: "/mnt/results"
    ddp_find_unused_parameters: false
    save_strategy: "epoch"
    per_device_train_batch_size: 1
  DataCollator:
    mlm: true
  DatasetConfig:
    shuffle_dataset: true
    train_test_split: 1
"""


def read(text: str, method: str = "lora") -> config.TrainingConfig:
    return config.read(text, method=method, defaults=(config.default_text(method),))


def refusal(text: str, method: str = "lora") -> str:
    with pytest.raises(Failure) as caught:
        read(text, method)
    assert caught.value.kind is Kind.CONFIG
    return caught.value.message


def of(section: str, **values: object) -> str:
    return json.dumps({"training_config": {section: values}})


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_without_a_file_the_defaults_hold(method: str) -> None:
    found = read("", method)

    assert found.lora["r"] == 8
    assert found.lora["target_modules"] == "all-linear"
    assert bool(found.quantization.load_in_4bit) is (method == "qlora")


def test_upstream_s_own_file_is_taken_as_it_stands() -> None:
    found = read(UPSTREAM_QLORA, "qlora")

    assert found.model.torch_dtype == "bfloat16"
    assert found.lora["lora_alpha"] == 8
    assert found.training["save_strategy"] == "epoch"
    assert found.quantization.bnb_4bit_use_double_quant is True


def test_what_a_file_leaves_out_is_filled_from_the_nearest_layer_below() -> None:
    image = of("LoraConfig", r=16, lora_alpha=64)

    found = config.read(
        of("LoraConfig", r=4), method="lora", defaults=(image, config.default_text("lora"))
    )

    assert (found.lora["r"], found.lora["lora_alpha"]) == (4, 64)
    assert found.lora["target_modules"] == "all-linear"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            of("LoraConfig", lora_aplha=8),
            "LoraConfig.lora_aplha does not exist: did you mean lora_alpha?",
        ),
        (of("TrainingArguments", learning_rat=1), "did you mean learning_rate?"),
        (of("LoraConfig", r="eight"), "LoraConfig.r: input should be a valid integer"),
        (of("TrainingArguments", lr_scheduler_type="cosin"), "'cosine'"),
        (of("TrainingArguments", push_to_hub=True), "push_to_hub is the operator's own business"),
        (of("TrainingArguments", output_dir="/mnt/mine"), "the result goes to tuning.output"),
        (of("LoraConf"), "training_config.LoraConf does not exist: did you mean LoraConfig?"),
        (of("DatasetConfig", train_test_split=2), "train_test_split must be above 0"),
        (of("ModelConfig", torch_dtype="int3"), "ModelConfig.torch_dtype"),
        ("training_config: [", "is no YAML"),
        ("other: {}", "must hold one root, `training_config:`"),
        ("training_config: {LoraConfig: 3}", "LoraConfig must hold keys and values"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(text: str, words: str) -> None:
    assert words in refusal(text)


def test_a_config_map_of_another_key_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    # A kubelet's own folders stand beside the keys.
    (tmp_path / "..data").mkdir()
    with pytest.raises(Failure) as missing:
        config.user_text(tmp_path / "training_config.yaml", config_map="mine")
    (tmp_path / "parameters.yaml").write_text("")
    with pytest.raises(Failure) as other:
        config.user_text(tmp_path / "training_config.yaml", config_map="mine")

    assert "has no ConfigMap mine with a key training_config.yaml" in missing.value.message
    assert "ConfigMap mine has no key training_config.yaml, but parameters.yaml" in (
        other.value.message
    )


def test_all_mistakes_are_named_at_once() -> None:
    message = refusal(
        json.dumps(
            {"training_config": {"LoraConfig": {"rr": 1}, "TrainingArguments": {"max_step": 3}}}
        )
    )

    assert "LoraConfig.rr" in message
    assert "did you mean max_steps?" in message


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("lora", {"load_in_4bit": True}),
        ("qlora", {"load_in_4bit": False}),
        ("qlora", {"load_in_4bit": True, "load_in_8bit": True}),
    ],
    ids=["lora in 4 bits", "qlora in 16", "both"],
)
def test_bits_and_method_agree(method: str, values: dict[str, bool]) -> None:
    assert "load_in_4bit" in refusal(of("QuantizationConfig", **values), method)


def test_the_list_of_parameters_is_that_of_the_libraries() -> None:
    python = cache_folder() / "inference" / "bin" / "python"
    printed = subprocess.run(
        [str(python), str(PRESETS / "parameters.py")],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )

    stored = (PRESETS / "training" / "parameters.json").read_text()
    assert json.loads(printed.stdout) == json.loads(stored)


def test_the_parameters_of_the_guide_are_taken() -> None:
    page = (PRESETS.parents[1] / "docs" / "guides" / "tuning.md").read_text()
    blocks = [yaml.safe_load(one) for one in re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S)]
    files = [one["data"][config.FILE] for one in blocks if one.get("kind") == "ConfigMap"]
    parts = [one for one in blocks if config.ROOT in one]

    found = [read(file, "qlora") for file in (*files, *map(json.dumps, parts))]

    assert [one.lora["r"] for one in found] == [16, 8]
    assert [one.dataset.context_column for one in found] == [None, "question"]
