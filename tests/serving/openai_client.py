"""OpenAI's own client against the server.

Run in the environment of clients: `python openai_client.py URL MODEL`; a JSON object with what
came back on standard output.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import openai

MESSAGES: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
]
PROMPT = "What is Kubernetes?"


def whole(client: openai.OpenAI, model: str) -> dict[str, Any]:
    """Answers in one piece."""
    chat = client.chat.completions.create(
        model=model, messages=MESSAGES, temperature=0, max_completion_tokens=40
    )
    text = client.completions.create(model=model, prompt=PROMPT, temperature=0, max_tokens=40)
    several = client.completions.create(
        model=model, prompt=[PROMPT, "Who are you?"], temperature=0, max_tokens=40
    )
    return {
        "chat": chat.choices[0].message.content,
        "chat_reason": chat.choices[0].finish_reason,
        "chat_usage": chat.usage.model_dump() if chat.usage else None,
        "text": text.choices[0].text,
        "several": [choice.text for choice in several.choices],
    }


def streamed(client: openai.OpenAI, model: str) -> dict[str, Any]:
    """Answers as they come."""
    chat = list(
        client.chat.completions.create(
            model=model,
            messages=MESSAGES,
            temperature=0,
            max_tokens=40,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = list(
        client.completions.create(
            model=model, prompt=PROMPT, temperature=0, max_tokens=40, stream=True
        )
    )
    said = [choice.delta.content for chunk in chat for choice in chunk.choices]
    reasons = [choice.finish_reason for chunk in chat for choice in chunk.choices]
    return {
        "chunks": len([part for part in said if part]),
        "chat": "".join(part or "" for part in said),
        "chat_reason": reasons[-1],
        "chat_usage": chat[-1].usage.model_dump() if chat[-1].usage else None,
        "text": "".join(choice.text for chunk in text for choice in chunk.choices),
    }


def refused(client: openai.OpenAI, model: str) -> dict[str, Any]:
    """The exceptions that the client makes of refusals: (class, status, param)."""
    calls: dict[str, Any] = {
        "model": lambda: client.completions.create(model="nobody", prompt=PROMPT),
        "context": lambda: client.completions.create(model=model, prompt="word " * 9000),
        "field": lambda: client.chat.completions.create(
            model=model, messages=MESSAGES, frequency_penalty=1.0
        ),
    }
    found = {}
    for name, call in calls.items():
        try:
            call()
        except openai.APIStatusError as error:
            found[name] = [type(error).__name__, error.status_code, error.param]
    return found


def main(url: str, model: str) -> None:
    """Ask for everything."""
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
    raw = client.completions.with_raw_response.create(
        model=model, prompt=PROMPT, max_tokens=1, extra_headers={"x-request-id": "mine-1"}
    )
    result = {
        "models": [card.id for card in client.models.list()],
        "card": client.models.retrieve(model).id,
        "request_id": raw.headers["x-request-id"],
        "whole": whole(client, model),
        "streamed": streamed(client, model),
        "refused": refused(client, model),
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
