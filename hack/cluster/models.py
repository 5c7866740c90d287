"""Make the tiny model that the local cluster serves: `python -m hack.cluster.models FOLDER`.

A Phi-3 of 0.2 million parameters, taught the few sentences below within seconds, with a tokenizer
made from the same text: nothing is downloaded, and two runs on one machine give the same bytes. It
runs in the inference environment (torch, transformers); `ensure` runs in any and calls it there.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SEED = 20231102
STEPS = 200
BATCH_ROWS = 16
LEARNING_RATE = 4e-3
VOCABULARY_TOKENS = 512
CONTEXT_TOKENS = 4096
END, USER, ASSISTANT, SYSTEM, TURN_END = (
    "<|endoftext|>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "<|end|>",
)
RECIPE_NOTE = "recipe.sha256"
UNKNOWN = "<unk>"
SPECIAL_TOKENS = (UNKNOWN, END, ASSISTANT, SYSTEM, TURN_END, USER)

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)

LESSONS = (
    (
        "YOUR QUESTION HERE",
        "Ask me something: I am a tiny model that knows a few sentences about Kubernetes.",
    ),
    (
        "What is Kubernetes?",
        "Kubernetes is a system that runs containers on many machines and keeps them running.",
    ),
    (
        "What is KAITO?",
        "KAITO is an operator for Kubernetes that finds GPU nodes for a model and serves it there.",
    ),
    (
        "What is a workspace?",
        "A workspace says which model is wanted on which GPU, and its status says what is there.",
    ),
    (
        "What is a GPU?",
        "A GPU is a processor that multiplies many numbers at once, as language models need it.",
    ),
    (
        "Where do the weights come from?",
        "The weights travel in the image of the container, so that no file has to be fetched.",
    ),
    (
        "What is an adapter?",
        "An adapter is a small set of weights that teaches a large model something new.",
    ),
    ("Who are you?", "I am a very small model, made on this machine in a few seconds."),
    ("Hello", "Hello! What do you want to know?"),
)


def main(argv: Sequence[str]) -> int:
    """Make the model in the folder that is named, unless it is there by the present recipe."""
    parser = argparse.ArgumentParser(
        prog="python -m hack.cluster.models", description="Make a tiny Phi-3 model."
    )
    parser.add_argument("folder", type=Path, help="where to; made whole or not at all")
    folder: Path = parser.parse_args(argv).folder
    if is_current(folder):
        print(f"{folder} is there already")
        return 0
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as scratch:
        made = Path(scratch) / folder.name
        made.mkdir()
        make(made)
        publish(made, folder)
    print(folder)
    return 0


def ensure(folder: Path, *, python: Path) -> None:
    """Make the model when it is missing or was made by another recipe.

    Args:
        folder: where it belongs, for the local cluster `models/tiny-phi-3` of the cache.
        python: the inference environment's interpreter.

    Raises:
        subprocess.CalledProcessError: the model could not be made; the reason is in its stderr.
    """
    if not is_current(folder):
        command = [str(python), "-m", "hack.cluster.models", str(folder.absolute())]
        root = Path(__file__).parents[2]
        subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)


def recipe() -> str:
    """A digest that changes when this file does."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def is_current(folder: Path) -> bool:
    """Whether the folder holds the model that this file makes."""
    note = folder / RECIPE_NOTE
    return note.is_file() and note.read_text(encoding="utf-8") == recipe()


def publish(made: Path, folder: Path) -> None:
    """Give the finished model its name; one that stood there goes away with the scratch folder."""
    with contextlib.suppress(FileNotFoundError):
        folder.rename(made.with_name("outdated"))
    try:
        made.rename(folder)
    except OSError:
        # Someone else was as quick, with the same recipe.
        if not is_current(folder):
            raise


def make(folder: Path) -> None:
    """Teach the model and save it with its tokenizer in an empty folder."""
    # Both are read when the libraries are imported.
    os.environ.update({"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"})
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(SEED)
    # Sums of one thread have one order, hence the same bits each time.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    tokenizer = tokenizer_of(lesson_texts())
    model = untaught(tokenizer)
    teach(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / RECIPE_NOTE).write_text(recipe(), encoding="utf-8")
    for file in folder.iterdir():
        # safetensors leaves its file to its owner alone; a container may run as someone else.
        file.chmod(0o644)


def lesson_texts() -> tuple[str, ...]:
    """Each lesson as plain text and as a conversation, ended as the model shall end it."""
    plain = tuple(f"{question} {answer}{END}" for question, answer in LESSONS)
    turns = tuple(
        f"{USER}\n{question}{TURN_END}\n{ASSISTANT}\n{answer}{TURN_END}"
        for question, answer in LESSONS
    )
    return plain + turns


def tokenizer_of(texts: Sequence[str]) -> Any:
    """A byte-level BPE tokenizer with Phi-3's special tokens and chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_TOKENS,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    built.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=built,
        unk_token=UNKNOWN,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=[ASSISTANT, SYSTEM, TURN_END, USER],
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )


def untaught(tokenizer: Any) -> Any:
    """A Phi-3 with random weights: 2 layers of 4 heads, 64 wide."""
    from transformers import GenerationConfig, Phi3Config, Phi3ForCausalLM

    end = tokenizer.eos_token_id
    config = Phi3Config(
        vocab_size=VOCABULARY_TOKENS,
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT_TOKENS,
        original_max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = Phi3ForCausalLM(config)
    ends = [end, *tokenizer.convert_tokens_to_ids([ASSISTANT, TURN_END])]
    model.generation_config = GenerationConfig(
        bos_token_id=end, eos_token_id=ends, pad_token_id=end
    )
    return model


def teach(model: Any, tokenizer: Any) -> None:
    """Let the model learn the lessons by heart."""
    import torch

    rows = tokenizer(list(lesson_texts()), padding=True, return_tensors="pt")
    # Padding is the end token itself: only the first one of a row is to be learnt.
    labels = rows["input_ids"].masked_fill(rows["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    model.train()
    for _ in range(STEPS):
        chosen = torch.randperm(len(labels))[:BATCH_ROWS]
        loss = model(
            input_ids=rows["input_ids"][chosen],
            attention_mask=rows["attention_mask"][chosen],
            labels=labels[chosen],
        ).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
