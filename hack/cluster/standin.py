#!/usr/bin/env python3
"""A stand-in for vLLM's server where there is no GPU: `vllm serve`, on one node or several.

It is not vLLM. It serves one tiny model of phi-3's shape, whatever model is asked for, on the CPU,
greedily and one request after the other. What is real is how it is spread: each node holds a share
of the layers, torch.distributed (gloo) carries the activations from node to node, and no answer
comes without all of them. The flags are those that vLLM documents for several nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn.functional import linear, scaled_dot_product_attention, silu

MODEL = Path("/workspace/model")
FOREVER = timedelta(days=365)
"""How long a node waits for the next request."""


class Share:
    """The layers of the model that one node holds."""

    def __init__(self, folder: Path, *, rank: int, nodes: int) -> None:
        config = json.loads((folder / "config.json").read_text())
        self.rank, self.nodes = rank, nodes
        self.heads, self.hidden = config["num_attention_heads"], config["hidden_size"]
        self.epsilon, self.end = config["rms_norm_eps"], config["eos_token_id"]
        self.theta = config["rope_parameters"]["rope_theta"]
        layers = config["num_hidden_layers"]
        self.layers = range(rank * layers // nodes, (rank + 1) * layers // nodes)
        wanted = {f"model.layers.{layer}." for layer in self.layers}
        wanted |= {"model.embed_tokens."} if rank == 0 else set()
        wanted |= {"model.norm.", "lm_head."} if self.is_last else set()
        everything = load_file(folder / "model.safetensors")
        self.weights = {
            name: weight for name, weight in everything.items() if name.startswith(tuple(wanted))
        }

    @property
    def is_last(self) -> bool:
        """Whether the answer is known here."""
        return self.rank == self.nodes - 1

    def run(self, tokens: list[int], count: int) -> torch.Tensor:
        """This node's part of one step, for `count` tokens, which the first node alone knows."""
        if self.rank == 0:
            states = self.weights["model.embed_tokens.weight"][tokens]
        else:
            states = torch.empty(count, self.hidden)
            dist.recv(states, src=self.rank - 1)
        for layer in self.layers:
            states = self._layer(states, f"model.layers.{layer}.")
        if not self.is_last:
            dist.send(states, dst=self.rank + 1)
            return states
        logits = linear(self._norm(states[-1], "model.norm."), self.weights["lm_head.weight"])
        return logits.argmax().reshape(1)

    def _layer(self, states: torch.Tensor, name: str) -> torch.Tensor:
        states = states + self._attention(self._norm(states, f"{name}input_layernorm."), name)
        inner = self._norm(states, f"{name}post_attention_layernorm.")
        gate, up = linear(inner, self.weights[f"{name}mlp.gate_up_proj.weight"]).chunk(2, -1)
        return states + linear(up * silu(gate), self.weights[f"{name}mlp.down_proj.weight"])

    def _attention(self, states: torch.Tensor, name: str) -> torch.Tensor:
        count = len(states)
        joined = linear(states, self.weights[f"{name}self_attn.qkv_proj.weight"])
        query, key, value = (
            part.view(count, self.heads, -1).transpose(0, 1) for part in joined.chunk(3, -1)
        )
        mixed = scaled_dot_product_attention(
            self._turned(query), self._turned(key), value, is_causal=True
        )
        flat = mixed.transpose(0, 1).reshape(count, -1)
        return linear(flat, self.weights[f"{name}self_attn.o_proj.weight"])

    def _turned(self, states: torch.Tensor) -> torch.Tensor:
        """Rotary embedding of each position."""
        half = states.shape[-1] // 2
        frequencies = self.theta ** (-torch.arange(half) / half)
        angles = torch.arange(states.shape[-2])[:, None] * frequencies
        cosine, sine = angles.cos(), angles.sin()
        first, second = states[..., :half], states[..., half:]
        return torch.cat((first * cosine - second * sine, second * cosine + first * sine), -1)

    def _norm(self, states: torch.Tensor, name: str) -> torch.Tensor:
        scale = torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + self.epsilon)
        return self.weights[f"{name}weight"] * states * scale


def step(share: Share, tokens: list[int]) -> int:
    """One token more, with the help of all nodes; called on the first one."""
    size = torch.tensor([len(tokens)])
    dist.broadcast(size, src=0)
    found = share.run(tokens, len(tokens))
    if share.nodes > 1:
        found = torch.empty(1, dtype=torch.int64)
        dist.recv(found, src=share.nodes - 1)
    return int(found)


def help_along(share: Share) -> None:
    """Do this node's part of every step, for ever."""
    size = torch.empty(1, dtype=torch.int64)
    while True:
        dist.broadcast(size, src=0)
        found = share.run([], int(size))
        if share.is_last:
            dist.send(found, dst=0)


def generated(share: Share, tokens: list[int], *, most: int) -> Iterator[int]:
    """New tokens, up to the model's end of text."""
    for _ in range(most):
        token = step(share, tokens)
        if token == share.end:
            return
        tokens = [*tokens, token]
        yield token


def serve(share: Share, address: tuple[str, int], name: str) -> None:
    """Answer requests, one after the other."""
    tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    turn = threading.Lock()

    class Requests(BaseHTTPRequestHandler):
        """GET /health and POST /v1/completions."""

        def do_GET(self) -> None:
            self._answer(200 if self.path == "/health" else 404, {})

        def do_POST(self) -> None:
            body: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with turn, torch.inference_mode():
                tokens = tokenizer.encode(body["prompt"]).ids
                new = list(generated(share, tokens, most=int(body.get("max_tokens", 16))))
            text = tokenizer.decode(new, skip_special_tokens=True)
            self._answer(200, {"model": name, "choices": [{"index": 0, "text": text}]})

        def _answer(self, status: int, body: dict[str, object]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing of each probe."""

    # It may be PID 1, which no signal ends that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ThreadingHTTPServer(address, Requests).serve_forever()


def join(host: str, given: argparse.Namespace) -> None:
    """Meet the other nodes, if there are any, at the leader's address."""
    store = _store(host, given) if given.nnodes > 1 else dist.HashStore()
    dist.init_process_group(
        "gloo", store=store, rank=given.node_rank, world_size=given.nnodes, timeout=FOREVER
    )


def _store(host: str, given: argparse.Namespace) -> dist.TCPStore:
    """Where nodes leave word for each other; the leader holds it.

    It listens on its pod's own address: here all pods share the network device.
    """
    leads = given.node_rank == 0
    with socket.socket() as listener:
        if leads:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, given.master_port))
            listener.listen()
        return dist.TCPStore(
            given.master_addr,
            given.master_port,
            given.nnodes,
            is_master=leads,
            wait_for_workers=False,
            master_listen_fd=listener.detach() if leads else None,
        )


def main(words: Sequence[str]) -> None:
    """Serve, or help the node that does."""
    parser = argparse.ArgumentParser(prog="vllm", description=__doc__)
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--served-model-name", default="")
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    parser.add_argument("--pipeline-parallel-size", type=int, default=1)
    parser.add_argument("--nnodes", type=int, default=1)
    parser.add_argument("--node-rank", type=int, default=0)
    parser.add_argument("--master-addr", default="127.0.0.1")
    parser.add_argument("--master-port", type=int, default=29501)
    parser.add_argument("--headless", action="store_true")
    given, _ = parser.parse_known_args(words)
    if given.tensor_parallel_size != 1 or given.pipeline_parallel_size != given.nnodes:
        parser.error("the stand-in has one stage of the pipeline on each node, without a GPU")
    if given.headless != (given.node_rank > 0):
        parser.error("--headless belongs to every node but the first")
    host = os.environ["HOST"]
    join(host, given)
    share = Share(MODEL, rank=given.node_rank, nodes=given.nnodes)
    print(f"node {given.node_rank} of {given.nnodes} holds layers {[*share.layers]}", flush=True)
    if given.headless:
        with torch.inference_mode():
            help_along(share)
    else:
        serve(share, (host, given.port), given.served_model_name or given.model)


if __name__ == "__main__":
    main(sys.argv[1:])
