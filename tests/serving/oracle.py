"""Greedy answers of transformers and PEFT by themselves, one after another, in this process.

Run in the inference environment: `python oracle.py MODEL ADAPTERS TOKENS`; on standard input a JSON
object with a list of prompts for each adapter folder ("" for none, several joined by "+"), on
standard output one with the texts that were written after them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(model: str, folder: Path, tokens: int) -> None:
    """Answer everything."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    asked: dict[str, list[str]] = json.load(sys.stdin)
    answers = {}
    for names, prompts in asked.items():
        chosen = adapted(AutoModelForCausalLM.from_pretrained(model), folder, names)
        answers[names] = [answer(chosen, tokenizer, prompt, tokens) for prompt in prompts]
    json.dump(answers, sys.stdout)


def adapted(model: Any, folder: Path, names: str) -> Any:
    """The model with the weights of its adapters added to its own, one after another."""
    for name in filter(None, names.split("+")):
        model = PeftModel.from_pretrained(model, str(folder / name)).merge_and_unload()
    return model


def answer(model: Any, tokenizer: Any, prompt: str, tokens: int) -> str:
    """What the model writes after a prompt."""
    ids = tokenizer(prompt, return_tensors="pt")
    with torch.no_grad():
        output = model.generate(**ids, do_sample=False, max_new_tokens=tokens)
    written = output[0][ids["input_ids"].shape[1] :]
    return str(tokenizer.decode(written, skip_special_tokens=True))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
