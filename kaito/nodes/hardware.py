"""What GPUs a workspace gets: the type that it names or the smallest that fits, as measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Preset
from kaito.catalog.sku import Sku
from kaito.nodes.attempts import in_turn, unobtainable_types
from kaito.nodes.report import Measured
from kaito.nodes.selection import named_types
from kaito.nodes.selector import match_labels
from kaito.sizing.answer import Fit
from kaito.sizing.choice import smallest
from kaito.sizing.fit import fit
from kaito.sizing.tuning import tuning_fit


def instance_type(
    workspace: Workspace, preset: Preset | None, skus: Mapping[str, Sku]
) -> str | None:
    """The instance type to ask for now: the first eligible one that may still be had.

    Where none is left, those that were refused take turns, once a claim was never launched.

    Returns:
        Its name; None where the spec names none and none fits.
    """
    types = eligible_types(workspace, preset, skus)
    attempts = workspace.status.attempts
    gone = unobtainable_types(attempts)
    left = [name for name in types if name not in gone]
    again = [name for name in in_turn(attempts) if name in types]
    return next(iter((*left, *again, *types[-1:])), None)


def acceptable_types(
    workspace: Workspace, preset: Preset | None, skus: Mapping[str, Sku]
) -> tuple[str, ...]:
    """Instance types that the spec names, else the smallest still sold that fits.

    A choice once made is recorded in the status and stays, whatever the table says later. Of a
    template (no preset) nobody knows what fits.
    """
    named = named_types(workspace)
    if named or workspace.status.instance_type:
        return named or (workspace.status.instance_type or "",)
    if preset is None:
        return ()
    found = smallest(skus.values(), lambda sku: verdict(workspace, preset, sku))
    return (found.sku,) if found else ()


def eligible_types(
    workspace: Workspace, preset: Preset | None, skus: Mapping[str, Sku]
) -> tuple[str, ...]:
    """The acceptable types that may be asked for: of those a selector names, where it names one.

    Where it names none of them all are, and asking for the first says what contradicts it.
    """
    types = acceptable_types(workspace, preset, skus)
    selected = match_labels(workspace.resource.label_selector).get(labels.INSTANCE_TYPE)
    return tuple(name for name in types if name == selected) or types


def fit_on(found: Measured, workspace: Workspace, preset: Preset) -> Fit:
    """Whether the workspace's model fits nodes of a type as it is, and who says what it is."""
    answer = verdict(workspace, preset, found.sku)
    return replace(answer, sentence=f"{answer.sentence}{found.clause}")


def verdict(workspace: Workspace, preset: Preset, sku: Sku) -> Fit:
    """Whether `preset` can be served, or tuned, as the workspace asks, on nodes of `sku`."""
    if workspace.tuning:
        is_quantized = workspace.tuning.method.lower() == "qlora"
        return tuning_fit(preset, sku, method="qlora" if is_quantized else "lora")
    return fit(preset, sku, nodes=workspace.resource.count)


def is_bypassed(workspace: Workspace) -> bool:
    """Whether the user says that the model fits, whatever sizing says."""
    return workspace.metadata.annotations.get(labels.BYPASS_RESOURCE_CHECKS) == "true"
