"""The bare script: makes objects, checks nothing, waits for nothing.

`python -m hack.benchmarks.scale.script` reads an order, connects, and says "ready"; at the next
line of its stdin it does for each number from 0 on what the order says, through the HTTP client of
the controllers, and with as many requests in flight. An order with
the Workspace alone stands for people who create workspaces; one with every object that a controller
makes is the floor. Its last line on stdout says when it began with each number.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from kaito.kube.client import Client

NAME, UID, CLAIM = "@NAME@", "@UID@", "@CLAIM@"
"""In the texts of an order: name and uid of the Workspace, and the name of its claim."""
IN_FLIGHT = 32
"""Requests at a time: as many as a `Client` sends."""

Json = Any


class Write(BaseModel):
    """One request; its texts hold the placeholders above.

    Attributes:
        method: of the request.
        path: likewise.
        query: after its question mark.
        content_type: of the body.
        body: as JSON text.
    """

    method: str = "POST"
    path: str
    query: str = "fieldManager=kaito"
    content_type: str = "application/json"
    body: str


class Order(BaseModel):
    """What is to be made, COUNT times.

    Attributes:
        kubeconfig: path of the file that names the API server.
        count: how many times.
        workspace: made first; its answer holds the uid.
        others: made after it, in order.
    """

    kubeconfig: str
    count: int
    workspace: Write
    others: Sequence[Write] = ()


def name(number: int) -> str:
    """Name of a Workspace."""
    return f"bench-{number:04d}"


def claim(number: int) -> str:
    """Name of the claim that the floor makes for a Workspace: a legal pool name."""
    return f"floor{number:04d}"


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders replaced."""
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


async def make(client: Client, order: Order, number: int) -> float:
    """Make all that belongs to one Workspace; when that began, in seconds since 1970."""
    began = time.time()
    values = {NAME: name(number), CLAIM: claim(number)}
    made = await send(client, order.workspace, values)
    values[UID] = made["metadata"]["uid"]
    for write in order.others:
        await send(client, write, values)
    return began


async def made(client: Client, order: Order) -> Mapping[str, float]:
    """Make everything; when each Workspace was begun, by name."""
    begun: dict[str, float] = {}
    numbers = iter(range(order.count))

    async def hand() -> None:
        for number in numbers:
            begun[name(number)] = await make(client, order, number)

    async with asyncio.TaskGroup() as hands:
        for _ in range(IN_FLIGHT):
            hands.create_task(hand())
    return begun


async def send(client: Client, write: Write, values: Mapping[str, str]) -> Json:
    """Send one request."""
    return await client.request(
        write.method,
        filled(write.path, values),
        params=dict(pair.split("=") for pair in write.query.split("&")),
        body=json.loads(filled(write.body, values)),
        content_type=write.content_type,
    )


async def main() -> None:
    """Carry out the order on stdin."""
    order = Order.model_validate_json(sys.stdin.readline())
    client = await Client.connect(
        user_agent="bench-script", field_manager="kaito", kubeconfig=order.kubeconfig
    )
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        begun = await made(client, order)
    finally:
        await client.close()
    print(json.dumps(begun))


if __name__ == "__main__":
    asyncio.run(main())
