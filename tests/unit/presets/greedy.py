"""Greedy answers straight from the library: what the server's answers are compared with.

Run in the inference environment: `python greedy.py FOLDER TOKENS`, a JSON list of prompts on
standard input, a JSON list of full texts on standard output.
"""

from __future__ import annotations

import json
import sys

from transformers import AutoTokenizer, Phi3ForCausalLM, pipeline

if __name__ == "__main__":
    folder, tokens = sys.argv[1:]
    writer = pipeline(
        "text-generation",
        model=Phi3ForCausalLM.from_pretrained(folder),
        tokenizer=AutoTokenizer.from_pretrained(folder),
    )
    answers = [
        writer(prompt, do_sample=False, max_new_tokens=int(tokens))[0]["generated_text"]
        for prompt in json.load(sys.stdin)
    ]
    json.dump(answers, sys.stdout)
