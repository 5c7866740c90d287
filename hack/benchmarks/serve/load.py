"""So many clients, each asking again as soon as it is answered; every word is timed."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass, field

import aiohttp

from hack.benchmarks.serve.systems import System

PATH = "/v1/chat/completions"
QUESTIONS = (
    "What is Kubernetes?",
    "What is KAITO?",
    "What is a workspace?",
    "Where do the weights come from?",
    "Who are you?",
)


@dataclass(slots=True)
class Timings:
    """What the clients saw, in seconds."""

    first: list[float] = field(default_factory=list)
    """From the request to the first word."""
    between: list[float] = field(default_factory=list)
    """From one word to the next."""
    tokens: int = 0
    answers: int = 0
    errors: int = 0
    seconds: float = 0.0


async def measured(system: System, *, clients: int, seconds: float, tokens: int) -> Timings:
    """What so many clients see for so long; what is under way then is finished and counted."""
    timings = Timings()
    begun = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(system.url, connector=connector) as http:

        async def client(number: int) -> None:
            turn = number
            while time.perf_counter() < begun + seconds:
                await ask(http, system, timings, question=QUESTIONS[turn % len(QUESTIONS)])
                turn += 1

        await asyncio.gather(*(client(number) for number in range(clients)))
    timings.seconds = time.perf_counter() - begun
    timings.tokens = timings.answers * tokens
    return timings


async def ask(
    http: aiohttp.ClientSession, system: System, timings: Timings, *, question: str
) -> None:
    """One question, read to the end of its answer."""
    fields = {
        "model": system.model,
        "messages": [{"role": "user", "content": question}],
        "stream": True,
        **system.extra,
    }
    asked = time.perf_counter()
    moments: list[float] = []
    finished = False
    try:
        async with http.post(PATH, json=fields) as response:
            response.raise_for_status()
            async for line in response.content:
                now = time.perf_counter()
                text, reason = said(line)
                moments += [now] if text else []
                finished = finished or reason == "length"
    except aiohttp.ClientError:
        finished = False
    if not finished or not moments:
        timings.errors += 1
        return
    timings.answers += 1
    timings.first.append(moments[0] - asked)
    timings.between += [after - before for before, after in itertools.pairwise(moments)]


def said(line: bytes) -> tuple[str, str]:
    """The text in one line of a stream, and why it ends; "" for what is not there."""
    data = line.decode().strip().removeprefix("data: ")
    if not data.startswith("{"):
        return "", ""
    choices = json.loads(data).get("choices") or [{}]
    return choices[0].get("delta", {}).get("content") or "", choices[0].get("finish_reason") or ""
