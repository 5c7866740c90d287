"""Two adapters of the tiny model, and what PEFT itself answers with them: the oracle.

Run in the inference environment: `python lora.py MODEL FOLDER` teaches each a sentence, always the
same way, and writes PEFT's greedy answers at all `STRENGTHS` beside them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LESSONS = {
    "ships": ("What is KAITO?", "KAITO is a wooden ship that carries tea from port to port."),
    "birds": ("Who are you?", "I am a small grey bird that sings before the sun comes up."),
}
MODULES = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
STEPS = 150
TOKENS = 24
STRENGTHS: tuple[dict[str, float], ...] = (
    {"ships": 0.0},
    {"ships": 1.0},
    {"ships": 0.5},
    {"ships": 1.0, "birds": 0.25},
)
QUESTION = LESSONS["ships"][0]


def key_of(strengths: Mapping[str, float]) -> str:
    """What an answer is found by."""
    return json.dumps(dict(strengths), sort_keys=True)


def make(model: str, folder: Path) -> None:
    """Teach each adapter its sentence."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Sums of one thread have one order, hence the same bits each time.
    torch.set_num_threads(1)
    for seed, (name, lesson) in enumerate(LESSONS.items()):
        torch.manual_seed(seed)
        config = LoraConfig(r=4 + 4 * seed, lora_alpha=16, target_modules=MODULES)
        config.task_type = "CAUSAL_LM"
        taught = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
        _teach(taught, AutoTokenizer.from_pretrained(model), " ".join(lesson))
        taught.save_pretrained(folder / name)


def ask(model: str, folder: Path, question: str, strengths: Mapping[str, float]) -> str:
    """The greedy answer with these adapters, each at its strength."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # The format in which the quick start's type of GPU is served.
    served = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float16)
    if any(strengths.values()):
        served = _with_adapters(served, folder, strengths)
    tokenizer = AutoTokenizer.from_pretrained(model)
    words = tokenizer(question, return_tensors="pt")
    made = served.generate(**words, do_sample=False, max_new_tokens=TOKENS)
    return str(tokenizer.decode(made[0], skip_special_tokens=True))


def _with_adapters(model: Any, folder: Path, strengths: Mapping[str, float]) -> Any:
    from peft import PeftModel

    first, *others = strengths
    both = PeftModel.from_pretrained(model, str(folder / first), adapter_name=first)
    for name in others:
        both.load_adapter(str(folder / name), adapter_name=name)
    weights = list(strengths.values())
    both.add_weighted_adapter(list(strengths), weights, "together", combination_type="cat")
    both.set_adapter("together")
    return both


def _teach(model: Any, tokenizer: Any, text: str) -> None:
    import torch

    row = torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, STEPS)
    for _ in range(STEPS):
        loss = model(input_ids=row, labels=row).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


if __name__ == "__main__":
    model_folder, adapters = sys.argv[1], Path(sys.argv[2])
    make(model_folder, adapters)
    answers = {
        key_of(strengths): ask(model_folder, adapters, QUESTION, strengths)
        for strengths in STRENGTHS
    }
    (adapters / "answers.json").write_text(json.dumps(answers))
