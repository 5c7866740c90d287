"""Every verdict of sizing, as a table of texts: where an admission policy looks things up.

Each text has a line for each preset, for each instance type or for each name, in one order; `-`
stands for nothing. Keys have letters only: kubectl prints others in another order each time.

    most        the most nodes that were tried
    say...      sentences with braces to fill in

    names       every name of a preset, in lower case
    meanings    the preset that each of these is
    presets     the presets
    serve       verdicts: a letter for each type, on how many nodes the preset fits at least, `a`
                for one, `-` where it fits on none of up to `most`
    lora, qlora verdicts on tuning, so
    amounts     how much serving needs, in words; where GPUs count, for each of `counts` of them,
                and where nodes count, for 1 to `most` of them
    tails       what that is for
    limits      why more GPUs on a node do not help
    bases       which text has the other half of the sentence: `usable` or `offers`
    needslora, needsqlora    what tuning needs
    untunable   why the preset cannot be tuned
    least       the compute capability that the server needs
    private     `private`: the image is the user's own
    whole       `whole`: the image holds the weights, so that nothing is fetched with a token

    types       the instance types
    gpus        the GPUs of each
    offers      what a node of it has, in words
    usable      the same, with what a server may use of it
    foreign     the same, where the GPUs are another maker's
    capabilities, old        the compute capability of its GPUs, as a number and in words
    retired     since when it is not sold, and what to use instead

    counts      all different counts of GPUs
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping

from kaito.catalog.catalog import Catalog
from kaito.catalog.geometry import Geometry
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.sizing import sentences
from kaito.sizing.answer import foreign, hardware, old, retirement
from kaito.sizing.fit import fit
from kaito.sizing.layout import MAX_NODES
from kaito.sizing.memory import LEAST_CONTEXT_TOKENS
from kaito.sizing.need import (
    server_parallel,
    serving_amount,
    serving_limit,
    serving_purpose,
    usable_offer,
)
from kaito.sizing.tuning import Method, tuning_fit, tuning_need, untunable

SENTENCES = {
    "sayunknownpreset": sentences.UNKNOWN_PRESET,
    "sayunknowntype": sentences.UNKNOWN_TYPE,
    "sayprivateonly": sentences.PRIVATE_ONLY,
    "saywhole": sentences.WHOLE,
    "sayrefusal": sentences.REFUSAL,
    "sayforeign": sentences.FOREIGN,
    "sayold": sentences.OLD,
}
NOTHING = "-"
BETWEEN = "|"
"""Between the amounts of a line."""
ROW = NOTHING + string.ascii_lowercase[:MAX_NODES]
METHODS: tuple[Method, ...] = ("lora", "qlora")


def verdicts(catalog: Catalog) -> Mapping[str, str]:
    """The table of a catalogue."""
    skus, presets = tuple(catalog.skus.values()), catalog.models()
    counts = sorted({sku.gpus for sku in skus})
    found = SENTENCES | {
        "most": str(MAX_NODES),
        "counts": _lines(str(count) for count in counts),
        "names": _lines(name.casefold() for name in catalog.presets),
        "meanings": _lines(preset.name for preset in catalog.presets.values()),
    }
    return found | _of_types(skus) | _of_presets(presets, skus, counts)


def _lines(texts: Iterable[str]) -> str:
    """A line for each text."""
    return "\n".join(text or NOTHING for text in texts)


def _of_types(skus: tuple[Sku, ...]) -> dict[str, str]:
    """What is known of the instance types."""
    return {
        "types": _lines(sku.name for sku in skus),
        "gpus": _lines(str(sku.gpus) for sku in skus),
        "offers": _lines(hardware(sku, nodes=1) for sku in skus),
        "usable": _lines(usable_offer(sku) for sku in skus),
        "foreign": _lines("" if sku.has_cuda else foreign(sku) for sku in skus),
        "capabilities": _lines(_number(sku.compute_capability) for sku in skus),
        "old": _lines(old(sku) if sku.compute_capability else "" for sku in skus),
        "retired": _lines(retirement(sku).removeprefix("; ") for sku in skus),
    }


def _of_presets(
    presets: tuple[Preset, ...], skus: tuple[Sku, ...], counts: list[int]
) -> dict[str, str]:
    """What is known of the presets."""
    found = {
        "presets": _lines(preset.name for preset in presets),
        "serve": _lines(_row(_nodes(preset, sku) for sku in skus) for preset in presets),
        "amounts": _lines(BETWEEN.join(_amounts(preset, counts)) for preset in presets),
        "tails": _lines(serving_purpose(one, tokens=LEAST_CONTEXT_TOKENS) for one in presets),
        "limits": _lines(serving_limit(preset) for preset in presets),
        "bases": _lines("usable" if preset.geometry else "offers" for preset in presets),
        "untunable": _lines(untunable(one) for one in presets),
        "least": _lines(_least_capability(preset) for preset in presets),
        "private": _lines("private" if one.access == "private" else "" for one in presets),
        "whole": _lines("whole" if one.is_whole else "" for one in presets),
    }
    for method in METHODS:
        found[method] = _lines(_tuning_row(preset, skus, method) for preset in presets)
        needs = ("" if untunable(one) else tuning_need(one, method=method) for one in presets)
        found[f"needs{method}"] = _lines(needs)
    return found


def _least_capability(preset: Preset) -> str:
    """The compute capability that the server needs, as a text."""
    return _number(preset.image.compute_capability) if preset.images else ""


def _number(value: float | None) -> str:
    """A number as a text."""
    return "" if value is None else f"{value:g}"


def _tuning_row(preset: Preset, skus: tuple[Sku, ...], method: Method) -> str:
    """The verdicts on tuning; "" where it cannot be tuned anywhere."""
    if untunable(preset):
        return ""
    return _row(tuning_fit(preset, sku, method=method).nodes for sku in skus)


def _row(verdicts_: Iterable[int]) -> str:
    """Counts of nodes as letters."""
    return "".join(ROW[nodes] for nodes in verdicts_)


def _nodes(preset: Preset, sku: Sku) -> int:
    """On how many nodes of a type a preset can be served at least; 0: on none of up to the most."""
    for nodes in range(1, MAX_NODES + 1):
        if fit(preset, sku, nodes=nodes).fits:
            return nodes
    return 0


def _amounts(preset: Preset, counts: list[int]) -> list[str]:
    """How much serving needs, for each count of GPUs and of nodes that changes it."""
    geometry: Geometry | None = preset.geometry
    is_spread = geometry is None or server_parallel(preset) == "tensor"
    return [
        serving_amount(preset, gpus=gpus, nodes=nodes, tokens=LEAST_CONTEXT_TOKENS)
        for gpus in (counts if geometry else counts[:1])
        for nodes in range(1, MAX_NODES + 1 if is_spread else 2)
    ]
