"""Two adapters of the tiny model, and what PEFT itself answers with adapters: the oracle.

Run in the inference environment: `python lora.py MODEL FOLDER` teaches each of two a sentence,
always the same way, and writes PEFT's greedy answers at all `STRENGTHS` beside them. With a
question and a list of strengths in JSON behind, it asks about the adapters that are there.
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
    """What follows the question greedily with these adapters, each at its strength."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # The format in which the quick start's type of GPU is served.
    served = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float16)
    if any(strengths.values()):
        served = _with_adapters(served, folder, strengths)
    tokenizer = AutoTokenizer.from_pretrained(model)
    words = tokenizer(question, return_tensors="pt")
    made = served.generate(**words, do_sample=False, max_new_tokens=TOKENS)
    return str(tokenizer.decode(made[0][len(words["input_ids"][0]) :], skip_special_tokens=True))


def _with_adapters(model: Any, folder: Path, strengths: Mapping[str, float]) -> Any:
    from peft import PeftModel

    # A name alone may be a word of torch's own, which PEFT cannot take.
    first, *others = names = [f"of-{name}" for name in strengths]
    folders = dict(zip(names, (str(folder / name) for name in strengths), strict=True))
    both = PeftModel.from_pretrained(model, folders[first], adapter_name=first)
    for name in others:
        both.load_adapter(folders[name], adapter_name=name)
    both.add_weighted_adapter(names, list(strengths.values()), "together", combination_type="cat")
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


def main(model: str, folder: Path, asked: list[str]) -> None:
    """Write answers.json, after the adapters where no question is asked."""
    if not asked:
        make(model, folder)
    question, strengths = (asked[0], json.loads(asked[1])) if asked else (QUESTION, STRENGTHS)
    answers = {key_of(each): ask(model, folder, question, each) for each in strengths}
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
