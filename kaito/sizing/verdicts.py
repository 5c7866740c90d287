"""Every verdict of sizing, as a flat table of texts: where an admission policy looks things up.

Keys are those of a ConfigMap: letters, digits, `-`, `_` and `.`; for a slash stands an underscore.
A row of verdicts is a text with one letter for each type: on how many nodes the model fits at
least, `a` for one; `-` where it fits on none of up to `MAX_NODES`. Digits would do, but kustomize
takes the quotes off a long number.

    say.SENTENCE            a sentence with braces to fill in
    most                    `MAX_NODES`
    name.NAME               the preset that a name means
    index.TYPE              place of the type in the rows
    gpus.TYPE               its GPUs
    offer.TYPE              what a node of it has, in words
    usable.TYPE             the same, with what a server may use of it
    foreign.TYPE            the same, of another maker
    retired.TYPE            since when it is not sold, and what to use instead
    serve.PRESET            the row of verdicts, as are lora.PRESET and qlora.PRESET
    need.PRESET.GPUS.NODES  how much the preset needs, in words; need.PRESET.NODES where GPUs do not
                            count
    tail.PRESET             what for
    limit.PRESET            why more GPUs on a node do not help
    basis.PRESET            which other half of the sentence goes with it: usable or offer
    tune.PRESET.METHOD      what tuning needs, in words
    untunable.PRESET        why it cannot be tuned
    private.PRESET          "true": the image is the user's own
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping

from kaito.catalog.catalog import Catalog
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.sizing import sentences
from kaito.sizing.answer import foreign, hardware, retirement
from kaito.sizing.fit import fit
from kaito.sizing.layout import MAX_NODES
from kaito.sizing.memory import LEAST_CONTEXT_TOKENS
from kaito.sizing.need import (
    server_parallel,
    serving_amount,
    serving_limit,
    serving_offer,
    serving_purpose,
)
from kaito.sizing.tuning import Method, tuning_fit, tuning_need, untunable

SENTENCES = {
    "unknownPreset": sentences.UNKNOWN_PRESET,
    "unknownType": sentences.UNKNOWN_TYPE,
    "privateOnly": sentences.PRIVATE_ONLY,
    "refusal": sentences.REFUSAL,
    "foreign": sentences.FOREIGN,
}
ROW = "-" + string.ascii_lowercase[:MAX_NODES]
METHODS: tuple[Method, ...] = ("lora", "qlora")


def verdicts(catalog: Catalog) -> Mapping[str, str]:
    """The table of a catalogue."""
    skus = tuple(catalog.skus.values())
    found = {f"say.{name}": sentence for name, sentence in SENTENCES.items()}
    found["most"] = str(MAX_NODES)
    found |= {f"name.{key(name)}": preset.name for name, preset in catalog.presets.items()}
    for index, sku in enumerate(skus):
        found |= _of_type(sku, index)
    for preset in catalog.models():
        found |= _of_preset(preset, skus)
    return found


def key(name: str) -> str:
    """The spelling of a name in keys: upper and lower case do not count in names of presets."""
    return name.casefold().replace("/", "_")


def _of_type(sku: Sku, index: int) -> dict[str, str]:
    """What is known of one instance type."""
    found = {
        f"index.{sku.name}": str(index),
        f"gpus.{sku.name}": str(sku.gpus),
        f"offer.{sku.name}": hardware(sku, nodes=1),
    }
    if not sku.has_cuda:
        found[f"foreign.{sku.name}"] = foreign(sku)
    if sku.retired:
        found[f"retired.{sku.name}"] = retirement(sku).removeprefix("; ")
    return found


def _of_preset(preset: Preset, skus: tuple[Sku, ...]) -> dict[str, str]:
    """What is known of one preset."""
    found = {f"serve.{preset.name}": "".join(ROW[_nodes(preset, sku)] for sku in skus)}
    found |= dict(_needs(preset, sorted({sku.gpus for sku in skus})))
    found[f"tail.{preset.name}"] = serving_purpose(preset, tokens=LEAST_CONTEXT_TOKENS)
    found[f"limit.{preset.name}"] = serving_limit(preset)
    found[f"basis.{preset.name}"] = "usable" if preset.geometry else "offer"
    found |= {f"usable.{sku.name}": serving_offer(preset, sku) for sku in skus if preset.geometry}
    if preset.access == "private":
        found[f"private.{preset.name}"] = "true"
    if preset.tuning is None:
        return found | {f"untunable.{preset.name}": untunable(preset)}
    for method in METHODS:
        fits = (tuning_fit(preset, sku, method=method).nodes for sku in skus)
        found[f"{method}.{preset.name}"] = "".join(ROW[nodes] for nodes in fits)
        found[f"tune.{preset.name}.{method}"] = tuning_need(preset, method=method)
    return found


def _nodes(preset: Preset, sku: Sku) -> int:
    """On how many nodes of a type a preset can be served at least; 0: on none of up to the most."""
    for nodes in range(1, MAX_NODES + 1):
        if fit(preset, sku, nodes=nodes).fits:
            return nodes
    return 0


def _needs(preset: Preset, counts: list[int]) -> Iterator[tuple[str, str]]:
    """What serving needs, for each count of GPUs and of nodes that changes it."""
    most = MAX_NODES if server_parallel(preset) == "tensor" or not preset.geometry else 1
    for nodes in range(1, most + 1):
        for gpus in counts if preset.geometry else counts[:1]:
            part = f"{gpus}.{nodes}" if preset.geometry else str(nodes)
            amount = serving_amount(preset, gpus=gpus, nodes=nodes, tokens=LEAST_CONTEXT_TOKENS)
            yield f"need.{preset.name}.{part}", amount
