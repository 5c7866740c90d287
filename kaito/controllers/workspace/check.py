"""Phase check_spec: can this spec be carried out at all? Answered before a node is bought."""

from __future__ import annotations

from kaito.api import labels
from kaito.api.reasons import Reason
from kaito.api.rule import broken
from kaito.api.workspace import RESOURCE_READY, Workspace
from kaito.catalog.preset import Preset
from kaito.controllers.workspace.nodes import brought_nodes, model, type_as_it_is
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.placeholder import placeholders
from kaito.controllers.workspace.step import Step, done, hold
from kaito.kube.kinds import SERVICES
from kaito.nodes.hardware import acceptable_types, fit_on, instance_type, is_bypassed
from kaito.nodes.selection import named_types
from kaito.sizing import sentences
from kaito.sizing.answer import Fit
from kaito.sizing.tuning import untunable
from kaito.workloads.adapters import unserved
from kaito.workloads.group import headless_name, is_group, uneven
from kaito.workloads.hub import unfetched
from kaito.workloads.image import preset_of


def check_spec(seen: Observed) -> Step:
    """The spec holds no placeholder, names what exists, and the model fits."""
    workspace = seen.workspace
    return (
        _check_rules(workspace)
        or _check_placeholders(workspace)
        or _check_model(seen)
        or _check_name(seen)
        or done("", Reason.RECONCILING)
    )


def _check_rules(workspace: Workspace) -> Step | None:
    """What the API server refuses, of an object that was stored before the rule was there."""
    found = next(broken(workspace), None)
    if found is None:
        return None
    path, message = found
    return _refused(Reason.INVALID_SPEC, f"{path}: {message}" if path else message)


def _check_placeholders(workspace: Workspace) -> Step | None:
    """Fields of the quick starts that nobody has filled in."""
    left = placeholders(workspace)
    return _refused(Reason.PLACEHOLDER, left) if left else None


def _check_name(seen: Observed) -> Step | None:
    """The names under which the model is to answer, and its pods find each other, are free."""
    preset = model(seen)
    if not seen.strangers or seen.workload or preset is None or seen.workspace.tuning:
        return None
    names = {seen.workspace.metadata.name}
    if _is_to_be_group(seen, preset):
        names.add(headless_name(seen.workspace))
    taken = [one.metadata.name for one in seen.strangers if one.metadata.name in names]
    if not taken:
        return None
    return _refused(
        Reason.NAME_TAKEN,
        f"{SERVICES.kind} {taken[0]} exists and belongs to somebody else:"
        " rename or delete it, or give the Workspace another name",
    )


def _is_to_be_group(seen: Observed, preset: Preset) -> bool:
    """Whether the nodes, of the type that is asked for, are to serve one copy together."""
    workspace, skus = seen.workspace, seen.catalog.skus
    sku = skus.get(instance_type(workspace, preset, skus) or "")
    return is_group(preset, sku, nodes=workspace.resource.count)


def _check_model(seen: Observed) -> Step | None:
    """The preset exists, the instance type is known, and the one fits the other."""
    workspace, catalog = seen.workspace, seen.catalog
    wanted = preset_of(workspace)
    if wanted is None:
        return _check_type(seen, None)
    name = wanted.name
    preset = catalog.presets.get(name)
    if preset is None:
        close = ", ".join(catalog.close_names(name))
        unknown = sentences.UNKNOWN_PRESET.format(name=name)
        message = f"{_part(workspace)}.preset.name: {unknown}: use one of {close}"
        return _refused(Reason.UNKNOWN_PRESET, message)
    return (
        _check_image(workspace, preset)
        or _check_trainer(workspace, preset)
        or _check_token(seen, preset)
        or _check_weights(seen, preset)
        or _check_adapters(workspace, preset)
        or _check_shares(workspace, preset)
        or _check_type(seen, preset)
    )


def _check_type(seen: Observed, preset: Preset | None) -> Step | None:
    """There is an instance type; each that may be tried is known, and the model fits it."""
    is_brought = len(brought_nodes(seen)) >= seen.workspace.resource.count
    if not named_types(seen.workspace) and (is_brought or not seen.options.buys):
        return None
    types = acceptable_types(seen.workspace, preset, seen.catalog.skus)
    if preset is None and not types:
        return _refused(
            Reason.INVALID_SPEC,
            "resource.instanceType: must be set with inference.template: nothing says how large"
            " its model is",
        )
    if preset and not types:
        return _refused(
            Reason.NOT_ENOUGH_MEMORY,
            f"resource.instanceType: is not set, and {preset.name} fits no known type that is"
            " still sold: name one, or use a smaller model",
        )
    found = (_check_one_type(seen, preset, name) for name in types)
    return next((step for step in found if step), None)


def _check_one_type(seen: Observed, preset: Preset | None, name: str) -> Step | None:
    """The type is known, and a preset's model fits it."""
    field = _field(seen.workspace, name)
    found = type_as_it_is(seen, name)
    if found is None:
        message = f"{field}: {sentences.UNKNOWN_TYPE.format(name=name)}"
        return _objection(seen.workspace, Reason.UNKNOWN_INSTANCE_TYPE, message)
    if preset is None:
        return None
    answer = fit_on(found, seen.workspace, preset)
    return _check_fit(seen.workspace, answer, field=field)


def _field(workspace: Workspace, name: str) -> str:
    """Where the spec names an instance type; the field to set where it names none."""
    types = workspace.resource.instance_types
    if name == workspace.resource.instance_type or name not in types:
        return "resource.instanceType"
    return f"resource.instanceTypes[{types.index(name)}]"


def _part(workspace: Workspace) -> str:
    """The part of the spec that names the model."""
    return "tuning" if workspace.tuning else "inference"


def _check_image(workspace: Workspace, preset: Preset) -> Step | None:
    """There is an image that serves the preset."""
    wanted = preset_of(workspace)
    is_own = wanted and wanted.access_mode == "private" and wanted.preset_options.image
    if preset.access == "private" and not is_own:
        return _refused(
            Reason.INVALID_SPEC,
            f"{_part(workspace)}.preset: {sentences.PRIVATE_ONLY.format(name=preset.name)}",
        )
    if preset.images:
        return None
    reasons = "; ".join(why for key, why in preset.left_out.items() if key.startswith("images."))
    return _refused(
        Reason.UNSUPPORTED,
        f"{_part(workspace)}.preset.name: no image serves {preset.name}: {reasons}",
    )


def _check_token(seen: Observed, preset: Preset) -> Step | None:
    """A token that is given opens something; what was once accepted goes on without."""
    workspace = seen.workspace
    wanted = preset_of(workspace)
    secret = wanted.preset_options.model_access_secret if wanted else None
    is_held = labels.WORKSPACE_FINALIZER in workspace.metadata.finalizers
    if not secret or not preset.is_whole or is_held or seen.workload or seen.job:
        return None
    field = f"{_part(workspace)}.preset.presetOptions.modelAccessSecret"
    said = sentences.WHOLE.format(name=preset.name)
    return _refused(Reason.INVALID_SPEC, f"{field}: {said}")


def _check_weights(seen: Observed, preset: Preset) -> Step | None:
    """What is fetched at the start may be."""
    if not seen.workspace.inference or not (why := unfetched(preset.image, seen.options.carrier)):
        return None
    return _refused(Reason.UNSUPPORTED, f"inference.preset.name: {preset.name}: {why}")


def _check_adapters(workspace: Workspace, preset: Preset) -> Step | None:
    """The preset's server takes adapters."""
    adapters = workspace.inference.adapters if workspace.inference else ()
    for number, adapter in enumerate(adapters):
        if adapter.source.name == preset.name:
            field = f"inference.adapters[{number}].source.name"
            message = f"{field}: {preset.name} is the model itself: give the adapter another name"
            return _refused(Reason.INVALID_SPEC, message)
    if not adapters or not (why := unserved(preset.image)):
        return None
    return _refused(Reason.UNSUPPORTED, f"inference.adapters: {why}: remove them, or take another")


def _check_shares(workspace: Workspace, preset: Preset) -> Step | None:
    """Each node has the same share of a model that is spread."""
    count = workspace.resource.count
    if not workspace.inference or not (why := uneven(preset, nodes=count)):
        return None
    return _refused(Reason.UNSUPPORTED, f"resource.count: {why}: choose a divisor")


def _check_trainer(workspace: Workspace, preset: Preset) -> Step | None:
    """What is to be tuned can be."""
    if not workspace.tuning or not (why := untunable(preset)):
        return None
    return _refused(Reason.UNSUPPORTED, f"tuning.preset.name: {why}")


def _check_fit(workspace: Workspace, answer: Fit, *, field: str) -> Step | None:
    """The model fits the nodes, or the user says that it does."""
    if answer.fits:
        return None
    return _objection(workspace, Reason.NOT_ENOUGH_MEMORY, f"{field}: {answer.sentence}")


def _objection(workspace: Workspace, reason: Reason, message: str) -> Step:
    """What the catalogue says against a spec: a warning only, where the user knows better."""
    if is_bypassed(workspace):
        return done("", reason, message)
    return _refused(reason, message)


def _refused(reason: Reason, message: str) -> Step:
    """The spec has to change; nothing is bought until it does."""
    return hold(RESOURCE_READY, reason, message)
