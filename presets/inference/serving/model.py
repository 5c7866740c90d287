"""The model on the transformers library.

Importing this module takes seconds (torch, transformers): only the thread that loads does it.
"""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as library_log

from serving import log
from serving.adapters import AdapterFolder, adapter_folder, load_adapters
from serving.alone import Alone
from serving.batch import Batch, BatchSize
from serving.encoder import Defaults, Encoder, Limits
from serving.job import Cache, Job, Sink, Steps
from serving.memory import Geometry, budget_bytes, cache_pages, container_limit_bytes
from serving.settings import Dtype, Settings

BFLOAT16_MAJOR = 8
"""The first major compute capability whose GPUs calculate in bfloat16."""
CPU_BATCH_TOKENS = 512
GPU_BATCH_TOKENS = 2048
GPU_SHARE = 0.9


class TransformersEngine:
    """One causal language model with its adapters, in a batch and beside it."""

    def __init__(self, *, encoder: Encoder, adapters: AdapterFolder, batch: Batch, alone: Alone):
        self.encoder = encoder
        self._adapters = adapters
        self._batch = batch
        self._alone = alone

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names that a request may ask for besides the model's own."""
        return self._adapters.names

    @property
    def merged(self) -> str:
        """The adapter that `/chat` answers with."""
        return self._adapters.merged

    @property
    def running(self) -> frozenset[str]:
        """Ids of the jobs that are past the queue."""
        return self._batch.running | self._alone.running

    @property
    def cache_share(self) -> float:
        """The used part of the KV cache, 0 to 1."""
        return self._batch.cache_share

    @property
    def cache(self) -> Cache:
        """How the KV cache is divided."""
        return self._batch.cache

    def is_deferred(self, job: Job) -> bool:
        """Whether others have the model: another adapter, or a request that goes alone."""
        is_alone = job.alone is not None or bool(self._alone.running)
        return is_alone or self._batch.turn not in (None, job.adapter)

    @property
    def failure(self) -> str:
        """Why nothing can be generated any more."""
        return self._batch.failure

    def begin(self, id: str, job: Job, sink: Sink) -> None:
        """Put a job in line."""
        (self._batch if job.alone is None else self._alone).begin(id, job, sink)

    def cancel(self, id: str, job: Job) -> None:
        """Give a job up."""
        (self._batch if job.alone is None else self._alone).cancel(id, job)


def load(settings: Settings, steps: Steps) -> TransformersEngine:
    """The model of the settings, in memory and ready to generate; `steps` hears what it does.

    Raises:
        OSError: a file is missing.
        ValueError: a file is not what it should be.
        MemoryError: there is no room for a KV cache.
        BadAdapter: an adapter cannot be served.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    quieten()
    folder = Path(settings.adapters_dir)
    adapters = (
        adapter_folder(folder, model_name=settings.model_name)
        if settings.adapters_dir
        else AdapterFolder()
    )
    model, tokenizer = loaded(settings)
    switch = load_adapters(model, folder, adapters)
    size = batch_size(model, settings)
    # What one adapter wrote into the cache is of no use to another.
    batch = Batch(model, size, switch=switch, shared=not adapters.names, steps=steps)
    log.info(
        "cache.allocated", pages=size.pages, batch_tokens=size.tokens, tokens=batch.cache_tokens
    )
    encoder = Encoder(
        tokenizer, limits(model, batch.cache_tokens), defaults(model.generation_config)
    )
    # Beside the batch the library adds what a request leaves out, in the batch it does not: once
    # the advice is read, both are to do the same.
    model.generation_config = tokens_alone(model.generation_config)
    alone = Alone(model, tokenizer, batch=batch, switch=switch, steps=steps)
    freeze()
    batch.start()
    return TransformersEngine(encoder=encoder, adapters=adapters, batch=batch, alone=alone)


def freeze() -> None:
    """Leave all that is loaded out of garbage collections: a full one would halt every answer."""
    gc.collect()
    gc.freeze()


def quieten() -> None:
    """Send what the library has to say through our own log, and its chatter nowhere."""
    library_log.disable_progress_bar()
    library_log.disable_default_handler()
    library_log.enable_propagation()
    batching = logging.getLogger("ContinuousBatchingLogger")
    batching.handlers.clear()
    batching.propagate = True
    batching.setLevel(logging.WARNING)


def loaded(settings: Settings) -> tuple[Any, Any]:
    """The model on its device, and its tokenizer."""
    name = settings.pretrained_model_name_or_path
    source = {
        "revision": settings.revision,
        "local_files_only": not settings.allow_remote_files,
        "trust_remote_code": settings.trust_remote_code,
    }
    tokenizer = AutoTokenizer.from_pretrained(name, **source)
    model = AutoModelForCausalLM.from_pretrained(name, dtype=str(settings.torch_dtype), **source)
    model = on_device(model, chosen_device(settings.device), dtype=settings.torch_dtype)
    return model.eval(), tokenizer


def limits(model: Any, cache_tokens: int) -> Limits:
    """The model's numbers."""
    config = model.config.get_text_config()
    ends = model.generation_config.eos_token_id
    return Limits(
        vocabulary_tokens=int(config.vocab_size),
        context_tokens=min(int(config.max_position_embeddings), cache_tokens),
        end_ids=tuple(ends) if isinstance(ends, list) else () if ends is None else (int(ends),),
    )


def defaults(advice: Any) -> Defaults:
    """What the model's generation_config.json says about drawing, where it says it."""
    return Defaults(
        temperature=1.0 if advice.temperature is None else float(advice.temperature),
        top_k=advice.top_k or None,
        top_p=advice.top_p,
    )


def tokens_alone(advice: Any) -> Any:
    """The same advice with nothing but the tokens that begin, end and pad an answer."""
    return GenerationConfig(
        bos_token_id=advice.bos_token_id,
        eos_token_id=advice.eos_token_id,
        pad_token_id=advice.pad_token_id,
    )


def batch_size(model: Any, settings: Settings) -> BatchSize:
    """What of the memory limit the batch and its cache take."""
    config = model.config.get_text_config()
    heads = int(config.num_attention_heads)
    geometry = Geometry(
        layers=int(config.num_hidden_layers),
        kv_heads=int(getattr(config, "num_key_value_heads", None) or heads),
        heads=heads,
        head_size=int(getattr(config, "head_dim", None) or config.hidden_size // heads),
        value_bytes=int(model.dtype.itemsize),
    )
    on_gpu = model.device.type == "cuda"
    tokens = settings.max_batch_tokens or (GPU_BATCH_TOKENS if on_gpu else CPU_BATCH_TOKENS)
    budget = settings.kv_cache_bytes or budget_bytes(
        memory_limit_bytes(model), model.get_memory_footprint()
    )
    pages = cache_pages(
        budget,
        geometry,
        batch_tokens=tokens,
        most_tokens=settings.max_batch_requests * int(config.max_position_embeddings),
    )
    return BatchSize(requests=settings.max_batch_requests, tokens=tokens, pages=pages)


def memory_limit_bytes(model: Any) -> int | None:
    """What this process may use of the memory that the model is in; None where nothing says so."""
    if model.device.type != "cuda":
        return container_limit_bytes()
    return int(torch.cuda.get_device_properties(model.device).total_memory * GPU_SHARE)


def chosen_device(wanted: str) -> str:
    """`auto` is the first GPU, or else the CPU."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


def on_device(model: Any, device: str, *, dtype: Dtype) -> Any:
    """The model on its device, in float16 where the GPU is too old for the file's bfloat16."""
    if device == "cpu" or dtype is not Dtype.AUTO or model.dtype != torch.bfloat16:
        return model.to(device)
    major, _ = torch.cuda.get_device_capability(device)
    return model.to(device, torch.bfloat16 if major >= BFLOAT16_MAJOR else torch.float16)
