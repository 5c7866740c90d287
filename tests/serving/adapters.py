"""Two adapters for the tiny model, taught a sentence each, and both together.

Run in the inference environment: `python adapters.py MODEL FOLDER`. The folder gets what
docs/reference/image.md describes; the merged one is made by PEFT, not by any code of ours.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

LESSONS = {
    "ships": ("What is KAITO?", "KAITO is a wooden ship that carries tea from port to port."),
    "birds": ("Who are you?", "I am a small grey bird that sings before the sun comes up."),
}
STEPS = 150
LEARNING_RATE = 3e-3


def main(model: str, folder: Path) -> None:
    """Teach each, then put their ranks side by side."""
    torch.set_num_threads(1)
    for seed, (name, (question, answer)) in enumerate(LESSONS.items()):
        torch.manual_seed(seed)
        config = LoraConfig(
            r=4 + 4 * seed,
            lora_alpha=16,
            target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
            task_type="CAUSAL_LM",
        )
        taught = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
        teach(taught, AutoTokenizer.from_pretrained(model), f"{question} {answer}")
        taught.save_pretrained(folder / name)
    merge(model, folder)


def teach(model: Any, tokenizer: Any, text: str) -> None:
    """Let the adapter learn one sentence by heart."""
    row = torch.tensor([[*tokenizer(text)["input_ids"], tokenizer.eos_token_id]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    for _ in range(STEPS):
        loss = model(input_ids=row, labels=row).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def merge(model: str, folder: Path) -> None:
    """PEFT's own sum of both."""
    first, *others = LESSONS
    both = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(model), str(folder / first), adapter_name=first
    )
    for name in others:
        both.load_adapter(str(folder / name), adapter_name=name)
    both.add_weighted_adapter(list(LESSONS), [1.0] * len(LESSONS), "merged", combination_type="cat")
    both.save_pretrained(folder / "scratch", selected_adapters=["merged"])
    shutil.move(folder / "scratch" / "merged", folder / ".merged")
    shutil.rmtree(folder / "scratch")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
