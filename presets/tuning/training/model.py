"""The base model and its tokenizer, frozen, in the number format that the hardware allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from training import log
from training.config import TrainingConfig
from training.failure import Failure, Kind

DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
}


@dataclass(frozen=True, slots=True)
class Base:
    """What is taught.

    Attributes:
        model: a transformers model.
        tokenizer: its tokenizer.
        dtype: number format that it computes in.
    """

    model: Any
    tokenizer: Any
    dtype: torch.dtype

    @property
    def chats(self) -> bool:
        """Whether a conversation can be put to it."""
        return bool(self.tokenizer.chat_template)


def load(name: str, config: TrainingConfig) -> Base:
    """Load the base model.

    Args:
        name: its folder, or its name on the hub.
        config: what the user wants.

    Raises:
        Failure: it cannot be loaded.
    """
    transformers_logging.disable_progress_bar()
    chosen = config.model
    dtype = DTYPES.get(chosen.torch_dtype) or usual_dtype()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    files = {"revision": chosen.revision, "trust_remote_code": chosen.trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **files)
        model = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=dtype,
            device_map={"": 0} if device == "cuda" else None,
            quantization_config=_quantization(config, dtype),
            attn_implementation=chosen.attn_implementation,
            **files,
        )
    except torch.OutOfMemoryError:
        raise
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        said = " ".join(str(error).split())[:500]
        raise Failure(Kind.MODEL, f"the base model {name} cannot be loaded: {said}") from error
    if chosen.chat_template:
        tokenizer.chat_template = chosen.chat_template
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    log.info("model.loaded", model=name, device=device, dtype=str(dtype).removeprefix("torch."))
    return Base(model, tokenizer, dtype)


def usual_dtype() -> torch.dtype:
    """bfloat16 where the GPU computes in it, float16 on older ones, float32 on the CPU."""
    if not torch.cuda.is_available():
        return torch.float32
    is_native = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if is_native else torch.float16


def lora(config: TrainingConfig) -> LoraConfig:
    """What is trained beside the frozen weights.

    Raises:
        Failure: PEFT refuses the combination.
    """
    try:
        return LoraConfig(**{"task_type": "CAUSAL_LM", **config.lora})
    except (TypeError, ValueError) as error:
        raise Failure(Kind.CONFIG, f"LoraConfig: {' '.join(str(error).split())}") from error


def _quantization(config: TrainingConfig, dtype: torch.dtype) -> BitsAndBytesConfig | None:
    """How the frozen weights are packed; None: they are not."""
    chosen = config.quantization
    four = bool(config.model.load_in_4bit or chosen.load_in_4bit)
    eight = bool(config.model.load_in_8bit or chosen.load_in_8bit)
    if not (four or eight):
        return None
    return BitsAndBytesConfig(
        load_in_4bit=four,
        load_in_8bit=eight,
        llm_int8_threshold=chosen.llm_int8_threshold,
        llm_int8_skip_modules=list(chosen.llm_int8_skip_modules or ()) or None,
        llm_int8_enable_fp32_cpu_offload=chosen.llm_int8_enable_fp32_cpu_offload,
        llm_int8_has_fp16_weight=chosen.llm_int8_has_fp16_weight,
        bnb_4bit_compute_dtype=DTYPES.get(chosen.bnb_4bit_compute_dtype) or dtype,
        bnb_4bit_quant_type=chosen.bnb_4bit_quant_type,
        bnb_4bit_use_double_quant=chosen.bnb_4bit_use_double_quant,
    )
