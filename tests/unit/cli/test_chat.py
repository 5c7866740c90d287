"""`kaito chat`, as a process, against a server that does not finish what it says."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kaito.cli.reply import UNREACHABLE

MODEL = "/api/v1/namespaces/models/services/phi:80/proxy/v1"


async def models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "phi"}]})


async def half_an_answer(request: web.Request) -> web.StreamResponse:
    """One piece of text, and the connection is gone."""
    response = web.StreamResponse()
    await response.prepare(request)
    delta = {"choices": [{"delta": {"content": "Kubernetes is"}}]}
    await response.write(f"data: {json.dumps(delta)}\n\n".encode())
    assert request.transport
    request.transport.close()
    return response


@pytest.mark.timeout(60)
async def test_an_answer_that_is_cut_off_is_said_to_be_so(tmp_path: Path) -> None:
    app = web.Application()
    app.router.add_get(f"{MODEL}/models", models)
    app.router.add_post(f"{MODEL}/chat/completions", half_an_answer)
    config = tmp_path / "config"
    async with TestServer(app) as server:
        config.write_text(
            f"""
            current-context: here
            contexts: [{{name: here, context: {{cluster: c, user: u}}}}]
            clusters: [{{name: c, cluster: {{server: "{server.make_url("")}"}}}}]
            users: [{{name: u, user: {{token: t}}}}]
            """
        )
        asked = ("chat", "phi", "What is Kubernetes?", "-n", "models", "--kubeconfig", str(config))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kaito", *asked), stdout=PIPE, stderr=PIPE, env=dict(os.environ)
        )
        shown, said = await process.communicate()

    assert (process.returncode, shown) == (UNREACHABLE, b"Kubernetes is\n")
    assert said.decode() == (
        "the answer of models/phi was cut off: ask again, or see"
        " `kubectl kaito why phi --namespace=models`\n"
    )
