"""LangChain's client against the server.

Run in the environment of clients: `python langchain_client.py URL MODEL`; a JSON object with what
came back on standard output.
"""

from __future__ import annotations

import json
import sys

from langchain_openai import ChatOpenAI, OpenAI


def main(url: str, model: str) -> None:
    """Ask for everything."""
    address = {"base_url": f"{url}/v1", "api_key": "unused", "model": model, "max_retries": 0}
    chat = ChatOpenAI(**address, temperature=0, max_tokens=40, stream_usage=True)
    text = OpenAI(**address, temperature=0, max_tokens=40)
    answer = chat.invoke([("system", "Be brief."), ("user", "Hello")])
    parts = list(chat.stream("Hello"))
    result = {
        "chat": answer.content,
        "usage": answer.usage_metadata,
        "streamed": "".join(str(part.content) for part in parts),
        "streamed_usage": [part.usage_metadata for part in parts if part.usage_metadata],
        "text": text.invoke("What is Kubernetes?"),
        "text_streamed": "".join(text.stream("What is Kubernetes?")),
        "batch": [each.content for each in chat.batch(["Hello", "Who are you?"])],
    }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
