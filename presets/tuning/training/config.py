"""The training configuration: what it may say, checked without the libraries that carry it out.

A ConfigMap holds it under the key `training_config.yaml`, in upstream's shape: one root,
`training_config`, and a section for each part. What it leaves out is filled from the defaults.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from training.failure import Failure, Kind

ROOT = "training_config"
FILE = "training_config.yaml"
RESULTS = "/mnt/results"
"""The only `output_dir` that a file may name: the operator decides where the adapter goes."""

OWNED = frozenset(
    {
        "accelerator_config", "base_model_name_or_path", "auto_mapping", "debug", "deepspeed",
        "disable_tqdm", "do_eval", "do_predict", "do_train", "enable_jit_checkpoint", "fsdp",
        "fsdp_config", "hub_always_push", "hub_model_id", "hub_private_repo", "hub_revision",
        "hub_strategy", "hub_token", "inference_mode", "local_rank", "log_level",
        "log_level_replica", "log_on_each_node", "megatron_config", "megatron_core",
        "model_init_kwargs", "parallelism_config", "peft_type", "peft_version", "project",
        "push_to_hub", "report_to", "resume_from_checkpoint", "revision", "run_name",
        "runtime_config", "save_only_model", "save_on_each_node", "skip_memory_metrics",
        "trackio_bucket_id", "trackio_space_id", "trackio_static_space_id", "trust_remote_code",
    }
)  # fmt: skip
"""Parameters of the libraries that are the trainer's own business."""

JSON_TYPES: Mapping[str, Any] = {
    "array": list[Any],
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": float,
    "object": dict[str, Any],
    "string": str,
}

DATA_KEYS = ("context_column", "response_column", "messages_column")


class Section(BaseModel):
    """A part of the configuration; a key that it does not have is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


S = TypeVar("S", bound=Section)


class ModelSection(Section):
    """How the base model is loaded; which one it is, the Workspace's preset says."""

    torch_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    device_map: Literal["auto"] = "auto"
    local_files_only: bool = True
    revision: str = "main"
    trust_remote_code: bool = False
    load_in_4bit: bool | None = None
    load_in_8bit: bool | None = None
    attn_implementation: Literal["eager", "sdpa", "flash_attention_2"] | None = None
    chat_template: str | None = None


class QuantizationSection(Section):
    """bitsandbytes, for QLoRA."""

    quant_method: Literal["bitsandbytes"] = "bitsandbytes"
    load_in_4bit: bool | None = None
    load_in_8bit: bool | None = None
    llm_int8_threshold: float = 6.0
    llm_int8_skip_modules: tuple[str, ...] | None = None
    llm_int8_enable_fp32_cpu_offload: bool = False
    llm_int8_has_fp16_weight: bool = False
    bnb_4bit_compute_dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    bnb_4bit_quant_type: Literal["fp4", "nf4"] = "nf4"
    bnb_4bit_use_double_quant: bool = False


class DatasetSection(Section):
    """How the examples are read."""

    shuffle_dataset: bool = True
    shuffle_seed: int = 42
    train_test_split: float = 1.0
    context_column: str | None = None
    response_column: str | None = None
    messages_column: str | None = None


class CollatorSection(Section):
    """Upstream's templates name mlm; the catalogue's models predict the next word, so it is off."""

    mlm: bool = False
    pad_to_multiple_of: int | None = None


@cache
def section(name: str) -> type[Section]:
    """A section whose keys are the parameters of a library, as parameters.json lists them."""
    listed = json.loads(Path(__file__).with_name("parameters.json").read_text(encoding="utf-8"))
    fields: dict[str, Any] = {
        key: (_hint(entry), None) for key, entry in listed[name].items() if key not in OWNED
    }
    return create_model(name, __base__=Section, **fields)


def _hint(entry: Mapping[str, list[str]]) -> object:
    """The Python type of one parameter."""
    types = entry["types"]
    if "choices" in entry and "boolean" not in types:
        return Literal[tuple(entry["choices"])]
    # An integer is a number too; asked first, it stays one.
    return reduce(or_, (JSON_TYPES[word] for word in types))


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything that the user and the defaults say together.

    Attributes:
        lora: arguments of PEFT's LoraConfig.
        training: arguments of TRL's SFTConfig.
    """

    model: ModelSection
    quantization: QuantizationSection
    lora: dict[str, Any]
    training: dict[str, Any]
    dataset: DatasetSection
    collator: CollatorSection


SECTIONS = (
    "ModelConfig",
    "QuantizationConfig",
    "LoraConfig",
    "TrainingArguments",
    "DatasetConfig",
    "DataCollator",
)


def read(text: str, *, method: str, defaults: tuple[str, ...] = ()) -> TrainingConfig:
    """The configuration that a file holds.

    Args:
        text: the user's file, "" for none.
        method: lora or qlora.
        defaults: texts of the files below it, the nearest first.

    Raises:
        Failure: it says something that cannot be carried out; all mistakes are in the message.
    """
    layers = [_sections(one) for one in (text, *defaults)]
    merged: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for layer in reversed(layers):
        for name, values in layer.items():
            merged[name] |= values
    found = _checked(merged)
    problems = list(_contradictions(found, method))
    if problems:
        raise _refusal(problems)
    return found


def default_text(method: str) -> str:
    """The file that is used where the user has none."""
    return Path(__file__).with_name(f"{method}.yaml").read_text(encoding="utf-8")


def user_text(file: Path, *, config_map: str = "") -> str:
    """The user's own file.

    Args:
        file: where the ConfigMap is mounted.
        config_map: name of that, for the message.

    Raises:
        Failure: there is none.
    """
    if file.is_file():
        return file.read_text(encoding="utf-8")
    others = sorted(path.name for path in file.parent.glob("[!.]*")) if config_map else []
    if others:
        raise Failure(
            Kind.CONFIG,
            f"tuning.config: ConfigMap {config_map} has no key {FILE}, but {', '.join(others)}:"
            " name it so, or leave tuning.config out",
        )
    raise Failure(
        Kind.CONFIG,
        f"tuning.config: the Workspace's namespace has no ConfigMap {config_map or 'of this name'}"
        f" with a key {FILE}: create it, or leave tuning.config out",
    )


def _sections(text: str) -> dict[str, dict[str, Any]]:
    """The sections of one file."""
    if not text.strip():
        return {}
    try:
        root = yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise _refusal([f"is no YAML: {said}"]) from error
    if not isinstance(root, dict) or set(root) != {ROOT}:
        raise _refusal([f"must hold one root, `{ROOT}:`, and everything below it"])
    body = root[ROOT] or {}
    if not isinstance(body, dict):
        raise _refusal([f"{ROOT} must hold sections: {', '.join(SECTIONS)}"])
    problems = [_unknown(ROOT, str(name), SECTIONS) for name in body if name not in SECTIONS]
    problems += [
        f"{ROOT}.{name} must hold keys and values"
        for name, values in body.items()
        if name in SECTIONS and not isinstance(values, dict | None)
    ]
    if problems:
        raise _refusal(problems)
    return {name: values or {} for name, values in body.items()}


def _checked(merged: Mapping[str, dict[str, Any]]) -> TrainingConfig:
    """The sections with their values, or everything that is wrong with them."""
    problems: list[str] = []

    def made(name: str, kind: type[S]) -> S:
        try:
            return kind.model_validate(merged[name])
        except ValidationError as error:
            problems.extend(_problems(name, kind, error))
            return kind()

    lora = made("LoraConfig", section("LoraConfig"))
    training = made("TrainingArguments", section("TrainingArguments"))
    found = TrainingConfig(
        model=made("ModelConfig", ModelSection),
        quantization=made("QuantizationConfig", QuantizationSection),
        lora=lora.model_dump(exclude_unset=True),
        training=training.model_dump(exclude_unset=True),
        dataset=made("DatasetConfig", DatasetSection),
        collator=made("DataCollator", CollatorSection),
    )
    if problems:
        raise _refusal(problems)
    return found


def _problems(name: str, kind: type[Section], error: ValidationError) -> Iterator[str]:
    """What is wrong with one section, a sentence for each key."""
    told: set[str] = set()
    for one in error.errors(include_url=False):
        key = str(one["loc"][0])
        path = f"{ROOT}.{name}.{key}"
        if key in told:
            continue
        told.add(key)
        if one["type"] != "extra_forbidden":
            same = [each for each in error.errors(include_url=False) if each["loc"][0] == key]
            said = " or ".join(dict.fromkeys(each["msg"].lower() for each in same))
            yield f"{path}: {said}, and it is {one['input']!r}"
        elif key in OWNED:
            yield f"{path} is the operator's own business: leave it out"
        else:
            yield _unknown(f"{ROOT}.{name}", key, tuple(kind.model_fields))


def _contradictions(found: TrainingConfig, method: str) -> Iterator[str]:
    """What no single key says wrong."""
    model, quantization = found.model, found.quantization
    four = bool(model.load_in_4bit or quantization.load_in_4bit)
    eight = bool(model.load_in_8bit or quantization.load_in_8bit)
    where = f"{ROOT}.QuantizationConfig"
    if four and eight:
        yield f"{where}: load_in_4bit and load_in_8bit exclude each other: set one to false"
    if method == "lora" and (four or eight):
        yield f"{where}: load_in_4bit and load_in_8bit need tuning.method qlora: leave them out"
    if method == "qlora" and not (four or eight):
        yield f"{where}: tuning.method qlora needs load_in_4bit or load_in_8bit: leave them out"
    folder = found.training.get("output_dir", RESULTS)
    if folder != RESULTS:
        yield (
            f"{ROOT}.TrainingArguments.output_dir: the result goes to tuning.output: leave it out"
        )
    if not 0 < found.dataset.train_test_split <= 1:
        yield f"{ROOT}.DatasetConfig.train_test_split must be above 0 and at most 1"


def _unknown(where: str, key: str, known: tuple[str, ...]) -> str:
    """A key that there is not, and the one that was perhaps meant."""
    allowed = [name for name in known if name not in OWNED]
    close = difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else "leave it out"
    return f"{where}.{key} does not exist: {hint}"


def _refusal(problems: list[str]) -> Failure:
    """The failure that names every problem."""
    return Failure(Kind.CONFIG, f"{FILE}: {'; '.join(problems)}")
