"""A core of vLLM's engine that computes in the process of its HTTP server, on the CPU."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from vllm.lora import lora_model
from vllm.lora.peft_helper import PEFTHelper
from vllm.v1.core.sched.utils import check_stop
from vllm.v1.engine import (
    EngineCoreEvent,
    EngineCoreEventType,
    EngineCoreOutput,
    EngineCoreOutputs,
    FinishReason,
)
from vllm.v1.engine.core_client import EngineCoreClient
from vllm.v1.metrics.stats import SchedulerStats
from vllm.v1.request import Request

MODULES = {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}
"""What vLLM's own Phi-3 takes adapters at."""


class Resources:
    """What others ask the client of a core for."""

    engine_dead = False


class CpuCore(EngineCoreClient):  # type: ignore[misc]  # vLLM is not typed here
    """Computes in this process, one token of one request at a time."""

    def __init__(self, config: Any, *_: Any) -> None:
        self.resources = Resources()
        self.engine_ranks_managed = [0]
        self._config = config
        self._base = AutoModelForCausalLM.from_pretrained(config.model_config.model).eval()
        self._models = {0: self._base}
        self._outputs: asyncio.Queue[EngineCoreOutputs | Exception] = asyncio.Queue()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._is_closing = False
        config.cache_config.num_gpu_blocks = 1

    def shutdown(self, timeout: float | None = None) -> None:
        """Finish what was begun, for so long, and take nothing new, as a core's own process does.

        vLLM waits for it in another thread than its loop's, and once more in that when all is over.
        """
        self._is_closing = True
        if not self._running:
            return
        loop = next(iter(self._running.values())).get_loop()
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._drained(), loop).result(timeout)

    async def _drained(self) -> None:
        """Return once every token was taken."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._outputs.join()

    def dp_engines_running(self) -> bool:
        """There are no others."""
        return False

    async def get_supported_tasks_async(self) -> tuple[str, ...]:
        """It writes."""
        return ("generate",)

    async def reset_mm_cache_async(self) -> None:
        """There is none."""

    async def get_output_async(self) -> EngineCoreOutputs:
        """The next token of any request."""
        found = await self._outputs.get()
        self._outputs.task_done()
        if isinstance(found, Exception):
            raise found
        return found

    async def add_lora_async(self, wanted: Any) -> bool:
        """Read an adapter as vLLM's workers do, and add its product to a copy of the weights."""
        helper = PEFTHelper.from_local_dir(wanted.lora_path, None)
        helper.validate_legal(self._config.lora_config)
        lora = lora_model.LoRAModel.from_local_checkpoint(
            wanted.lora_path,
            MODULES,
            helper,
            lora_model_id=wanted.lora_int_id,
            device="cpu",
            dtype=torch.float32,
        )
        adapted = copy.deepcopy(self._base)
        for name, layer in lora.loras.items():
            weight = adapted.get_submodule(name).weight
            weight.data += layer.scaling * (layer.lora_b @ layer.lora_a)
        self._models[wanted.lora_int_id] = adapted
        return True

    async def add_request_async(self, asked: Any) -> None:
        """Begin to answer; what comes too late is told so, as a core that is closing tells it."""
        if self._is_closing:
            end = EngineCoreOutput(asked.request_id, [], finish_reason=FinishReason.ABORT)
            self._outputs.put_nowait(EngineCoreOutputs(outputs=[end]))
            return
        request = Request.from_engine_core_request(asked, None)
        self._running[asked.request_id] = asyncio.create_task(self._ended(request))

    async def abort_requests_async(self, ids: list[str]) -> None:
        """Give answers up."""
        for id in ids:
            if task := self._running.pop(id, None):
                task.cancel()

    async def _ended(self, request: Any) -> None:
        """Answer; what goes wrong ends the engine, as it would end the process of a core."""
        try:
            await self._answer(request)
        except Exception as error:
            self._outputs.put_nowait(error)
            raise

    async def _answer(self, request: Any) -> None:
        adapter = request.lora_request.lora_int_id if request.lora_request else 0
        model, begun, has_ended = self._models[adapter], time.monotonic(), False
        request.prefill_stats.set(request.num_prompt_tokens, 0, 0)
        events: list[Any] | None = [
            EngineCoreEvent.new_event(kind, begun)
            for kind in (EngineCoreEventType.QUEUED, EngineCoreEventType.SCHEDULED)
        ]
        prefill = request.prefill_stats
        while not has_ended:
            token = await asyncio.to_thread(next_token, model, request)
            request.append_output_token_ids(token)
            has_ended = check_stop(request, self._config.model_config.max_model_len)
            output = EngineCoreOutput(
                request.request_id,
                [token],
                finish_reason=request.get_finished_reason(),
                stop_reason=request.stop_reason,
                events=events,
                prefill_stats=prefill,
            )
            events, prefill = None, None
            stats = SchedulerStats(num_running_reqs=len(self._running))
            self._outputs.put_nowait(EngineCoreOutputs(outputs=[output], scheduler_stats=stats))
        del self._running[request.request_id]


def next_token(model: Any, request: Any) -> int:
    """The token after all that is there."""
    parameters = request.sampling_params
    with torch.no_grad():
        scores = model(torch.tensor([list(request.all_token_ids)])).logits[0, -1]
    if request.num_output_tokens < parameters.min_tokens:
        scores[list(parameters.all_stop_token_ids)] = -torch.inf
    if parameters.temperature == 0:
        return int(scores.argmax())
    best = scores.topk(parameters.top_k if parameters.top_k > 0 else len(scores))
    shares = torch.softmax(best.values / parameters.temperature, -1)
    return int(best.indices[torch.multinomial(shares, 1)])


def install() -> None:
    """Have vLLM's engine compute here."""
    lora_model.PIN_MEMORY = False
    EngineCoreClient.make_async_mp_client = staticmethod(
        lambda vllm_config, *others, **_: CpuCore(vllm_config, *others)
    )
