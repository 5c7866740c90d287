"""Whether a model can be tuned on an instance type, with LoRA or QLoRA.

The weights stay frozen: in 16 bits for LoRA, in 4 bits for QLoRA. Trained are two thin matrices
beside each of a layer's seven linear maps; each trained number costs 16 bytes: itself, its gradient
and two moments of the optimizer, in 32 bits. Activations are kept for the way back: 34 bytes per
token, layer and number of the hidden size (Korthikanti et al., arXiv 2205.05198, section 4.1, with
an attention that keeps no scores). One sequence at a time, as the quick starts' settings say.
A trainer takes memory as it needs it, so the server's 84 % are no limit here.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from kaito.catalog.geometry import GIB, Geometry
from kaito.catalog.preset import Image, Preset
from kaito.catalog.sku import Sku
from kaito.sizing.answer import Fit, counted, foreign_fit, gib, hardware, refusal, retirement
from kaito.sizing.memory import RUNTIME_BYTES
from kaito.sizing.need import stated_need
from kaito.sizing.precision import dtype
from kaito.sizing.stated import stated_fit

Method = Literal["lora", "qlora"]

FROZEN_SHARE = {"lora": Fraction(1), "qlora": Fraction(30, 100)}
"""Frozen weights as a share of the 16-bit ones; of QLoRA's, embeddings and scales stay larger
than the quarter that 4 bits are."""

RANK = 8
LINEAR_MAPS = 7
TRAINED_BYTES = 16
ACTIVATION_BYTES = 34
SEQUENCE_TOKENS = 2048


def tuning_bytes(geometry: Geometry, method: Method) -> int:
    """Memory of one tuning run on one GPU, the run-time's own included."""
    frozen = int(geometry.weights_bytes * FROZEN_SHARE[method])
    # A map between the hidden size and up to four times it, as the widest of the seven is.
    trained = RANK * LINEAR_MAPS * 5 * geometry.hidden_size * geometry.layers * TRAINED_BYTES
    kept = ACTIVATION_BYTES * SEQUENCE_TOKENS * geometry.hidden_size * geometry.layers
    return frozen + trained + kept + RUNTIME_BYTES


def tuning_fit(preset: Preset, sku: Sku, *, method: Method) -> Fit:
    """Whether `preset` can be tuned on one node of `sku`: tuning runs on one node.

    Args:
        preset: of one that is `untunable` the answer is no.
        sku: what the node offers.
        method: how.
    """
    why = untunable(preset)
    if preset.tuning is None or why:
        return Fit(preset.name, sku.name, fits=False, sentence=why, basis="stated")
    if not sku.has_cuda:
        return foreign_fit(preset.name, sku)
    if preset.geometry is None:
        return stated_fit(preset.name, preset.tuning, sku, counts=(1,), most=1, verb="tune")
    needed = tuning_bytes(preset.geometry, method)
    fits = needed <= sku.gpu_memory_gib * GIB
    had = hardware(sku, nodes=1)
    return Fit(
        preset.name,
        sku.name,
        fits=fits,
        sentence=(
            f"{preset.name} fits {counted(1, 'node')} of {sku.name}: it needs"
            f" {_memory(needed, method)}, {had}{retirement(sku)}"
            if fits
            else refusal(tuning_need(preset, method=method), had)
        ),
        basis="geometry",
        nodes=int(fits),
        gpus=int(fits),
        least_gpus=int(fits),
        tensor_parallel=int(fits),
        pipeline_parallel=int(fits),
        dtype=dtype(preset, sku) if fits else "",
        gpu_memory_gib=sku.gpu_memory_gib,
        needed_gib=needed / GIB,
    )


def tuning_need(preset: Preset, *, method: Method) -> str:
    """What tuning needs on a node, for a preset that can be tuned.

    Raises:
        ValueError: it cannot.
    """
    why = untunable(preset)
    if preset.tuning is None or why:
        raise ValueError(why)
    if preset.geometry is None:
        return stated_need(preset.name, preset.tuning, nodes=1, verb="tune")
    needed = tuning_bytes(preset.geometry, method)
    return f"{preset.name} needs {_memory(needed, method)} on one GPU"


def untunable(preset: Preset) -> str:
    """Why a preset cannot be tuned, on whatever GPUs; "" of one that can be."""
    if preset.tuning is None:
        return f"{preset.name} cannot be tuned: {preset.left_out.get('tuning', 'not offered')}"
    if not preset.images or _holds_trainer(preset.image):
        return ""
    remedy = (
        "tune a model whose image is KAITO's own on transformers (`python -m kaito models`)"
        if preset.image.origin == "kaito"
        else "the operator takes upstream's images, and KAITO_PRESET_IMAGES=kaito takes KAITO's own"
    )
    name = preset.image.repository
    return f"{preset.name} cannot be tuned: image {name} holds no trainer: {remedy}"


def _holds_trainer(image: Image) -> bool:
    """Whether presets/tuning is in an image."""
    return image.origin == "kaito" and image.runtime == "transformers"


def _memory(needed: int, method: Method) -> str:
    """An amount of memory, and what it is for."""
    return (
        f"{gib(needed / GIB)} of GPU memory for {method} with sequences of {SEQUENCE_TOKENS} tokens"
    )
