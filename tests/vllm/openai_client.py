"""OpenAI's own client against the server.

Run in vLLM's environment: `python openai_client.py URL MODEL BODY…`; each body is a JSON object of
fields that the client does not know, and one more line of standard output is what came of it:
`{"status", "param", "id"}`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import openai


def asked(client: openai.OpenAI, model: str, fields: dict[str, Any]) -> dict[str, Any]:
    """What comes of a chat with those fields, to be ended after two tokens."""
    try:
        answer = client.chat.completions.with_raw_response.create(
            model=model,
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=2,
            extra_body=fields,
        )
    except openai.APIStatusError as error:
        id = error.response.headers["x-request-id"]
        return {"status": error.status_code, "param": error.param, "id": id}
    return {"status": answer.status_code, "param": None, "id": answer.headers["x-request-id"]}


if __name__ == "__main__":
    url, model, *bodies = sys.argv[1:]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)
    for body in bodies:
        sys.stdout.write(f"{json.dumps(asked(client, model, json.loads(body)))}\n")
