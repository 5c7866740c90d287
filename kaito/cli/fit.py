"""`fit`: where a model fits, or why it does not fit one instance type."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from kaito.catalog.catalog import Catalog
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.cli.reply import NO, SUCCESS, USAGE, Reply, as_json, table
from kaito.sizing.answer import Fit
from kaito.sizing.choice import ranked
from kaito.sizing.fit import fit
from kaito.sizing.memory import LEAST_CONTEXT_TOKENS
from kaito.sizing.tuning import tuning_fit, untunable

HEAD = ("instance type", "nodes", "GPUs", "of", "each", "parallel", "context", "dtype", "note")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        model: name or alias of a preset.
        instance_type: explain this one; "" for a table of all that fit.
        tuning: tune with this method; None: serve.
        nodes: count of nodes; None: as few as suffice.
        context: least context, in tokens.
        output: form of the answer.
    """

    model: str
    instance_type: str = ""
    tuning: Literal["lora", "qlora"] | None = None
    nodes: int | None = None
    context: int = LEAST_CONTEXT_TOKENS
    output: Literal["table", "json"] = "table"


def answer(question: Question, catalog: Catalog) -> Reply:
    """The reply to a question about one model."""
    preset = catalog.presets.get(question.model)
    if preset is None:
        close = ", ".join(catalog.close_names(question.model))
        return Reply(f"no preset is named {question.model}: use one of {close}\n", USAGE)
    if not preset.images and question.tuning is None:
        reason = "; ".join(why for key, why in preset.left_out.items() if "images" in key)
        return Reply(
            f"no image of this origin serves {preset.name}: {reason}; --preset-images says whose"
            " images are meant\n",
            NO,
        )
    if question.tuning and (why := untunable(preset)):
        return Reply(f"{why}\n", NO)
    if question.instance_type:
        return _explained(question, preset, catalog)
    return _listed(question, preset, catalog)


def _explained(question: Question, preset: Preset, catalog: Catalog) -> Reply:
    """One instance type, in one sentence."""
    sku = catalog.skus.get(question.instance_type)
    if sku is None:
        return Reply(f"{question.instance_type} is not in the table: `skus` lists it\n", USAGE)
    found = _fit(question, preset, sku)
    text = as_json(asdict(found)) if question.output == "json" else f"{found.sentence}\n"
    return Reply(text, SUCCESS if found.fits else NO)


def _listed(question: Question, preset: Preset, catalog: Catalog) -> Reply:
    """Every instance type that fits, the smallest first."""
    found = ranked(catalog.skus.values(), lambda sku: _fit(question, preset, sku))
    code = SUCCESS if found else NO
    if question.output == "json":
        return Reply(as_json([asdict(fitting) for _, fitting in found]), code)
    if not found:
        return Reply(f"{preset.name} fits no instance type of this cloud\n", code)
    rows = [_row(sku, fitting) for sku, fitting in found]
    return Reply(table(HEAD, rows), code)


def _fit(question: Question, preset: Preset, sku: Sku) -> Fit:
    """The answer of sizing."""
    if question.tuning:
        return tuning_fit(preset, sku, method=question.tuning)
    return fit(preset, sku, nodes=question.nodes, tokens=question.context)


def _row(sku: Sku, found: Fit) -> tuple[str, ...]:
    """One line of the table."""
    parallel = f"{found.tensor_parallel} x {found.pipeline_parallel}"
    return (
        sku.name,
        str(found.nodes),
        str(found.gpus),
        str(found.nodes * sku.gpus),
        f"{sku.gpu_memory_gib:g} GiB",
        parallel if found.tensor_parallel else "not computed",
        str(found.context_tokens or "not computed"),
        found.dtype,
        _note(sku),
    )


def _note(sku: Sku) -> str:
    """Why nobody gets a node of a type, "" where it is sold."""
    if sku.sold_as:
        return f"sold as {sku.sold_as}"
    return f"retired {sku.retired}" if sku.retired else ""
