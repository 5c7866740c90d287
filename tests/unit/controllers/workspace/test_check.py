"""What is refused before a node is bought, and the sentence that says so."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from kaito.api import labels
from kaito.api.machine import Machine
from kaito.api.reasons import WARNINGS, Reason
from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog
from kaito.catalog.preset import Requirements
from kaito.controllers.workspace.observe import Options
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.step import Create, Step
from kaito.kube.kinds import Deployment, Node
from kaito.nodes.claim import rendered_claim
from kaito.settings import Settings
from kaito.sizing.fit import fit
from tests.unit.controllers.workspace.worlds import (
    CATALOG,
    PRESET,
    SKU,
    TINY,
    UID,
    WISH,
    node,
    observed,
    workspace,
)
from tests.unit.workloads.wire import deployment

PHI: dict[str, object] = {"preset": {"name": "phi"}}


def selecting(**resource: object) -> dict[str, object]:
    return {"labelSelector": {"matchLabels": {"apps": "phi"}}, **resource}


def first(subject: Workspace) -> Step:
    return plan(observed(workspace=subject))[0]


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        pytest.param(
            {"inference": {"preset": {"name": "phii"}}},
            Reason.UNKNOWN_PRESET,
            "inference.preset.name: no preset is named phii: use one of phi",
            id="unknown preset",
        ),
        pytest.param(
            {"resource": selecting(instanceType="Standard_Z")},
            Reason.UNKNOWN_INSTANCE_TYPE,
            "resource.instanceType: Standard_Z is not in the table",
            id="unknown instance type",
        ),
        pytest.param(
            {"resource": selecting(instanceType="Standard_Tiny")},
            Reason.NOT_ENOUGH_MEMORY,
            "phi needs one GPU with 9 GiB to serve by its authors' figure, Standard_Tiny has 1 GPU",
            id="too small",
        ),
        pytest.param(
            {"resource": {"instanceType": "Standard_X", "labelSelector": {}}},
            Reason.INVALID_SPEC,
            "resource.labelSelector: names no label",
            id="no label",
        ),
        pytest.param(
            {
                "resource": {
                    "instanceType": "Standard_X",
                    "labelSelector": {
                        "matchExpressions": [{"key": "a", "operator": "Exists", "values": []}]
                    },
                }
            },
            Reason.INVALID_SPEC,
            "matchExpressions[0]: cannot be stamped on a new node",
            id="selector that cannot be stamped",
        ),
        pytest.param(
            {
                "resource": {
                    "instanceType": "Standard_X",
                    "labelSelector": {
                        "matchLabels": {"a": "1"},
                        "matchExpressions": [{"key": "a", "operator": "In", "values": ["2"]}],
                    },
                }
            },
            Reason.INVALID_SPEC,
            "resource.labelSelector: asks for two values of one label",
            id="selector that contradicts itself",
        ),
    ],
)
def test_a_spec_that_cannot_work_is_refused_with_field_and_remedy(
    changes: dict[str, object], reason: Reason, said: str
) -> None:
    step = first(workspace(**changes))

    assert not step.satisfied
    assert step.reason is reason
    assert said in step.message
    assert step.actions == ()


def test_a_spec_that_works_is_not_held_up() -> None:
    assert first(workspace(inference=PHI)).satisfied


def test_without_an_instance_type_the_smallest_that_fits_is_bought() -> None:
    held = observed().workspace.model_copy(
        update={"resource": workspace(resource=selecting()).resource}
    )

    found = plan(observed(workspace=held))

    bought = [action for action in found[-1].actions if isinstance(action, Create)]
    spec = bought[0].manifest["spec"]
    assert isinstance(spec, dict)
    requirements = spec["requirements"]
    assert {"key": labels.INSTANCE_TYPE, "operator": "In", "values": ["Standard_X"]} in requirements
    assert "of type Standard_X" in found[-1].message


def test_without_an_instance_type_a_model_that_fits_none_is_refused() -> None:
    tiny = Catalog(CATALOG.presets, {TINY.name: TINY})

    step = plan(observed(workspace=workspace(resource=selecting()), catalog=tiny))[0]

    assert step.reason is Reason.NOT_ENOUGH_MEMORY
    assert "is not set, and phi fits no known type that is still sold" in step.message


def test_the_bypass_annotation_turns_the_refusal_into_a_warning() -> None:
    small = workspace(resource=selecting(instanceType="Standard_Tiny"))
    marks = {labels.BYPASS_RESOURCE_CHECKS: "true"}
    metadata = small.metadata.model_copy(update={"annotations": marks})

    step = first(small.model_copy(update={"metadata": metadata}))

    assert step.satisfied
    assert step.reason is Reason.NOT_ENOUGH_MEMORY
    assert step.reason in WARNINGS
    assert step.message == first(small).message


def test_the_bypass_annotation_lets_a_type_in_that_is_in_no_table() -> None:
    new = workspace(resource=selecting(instanceType="rack-1"))
    marks = {labels.BYPASS_RESOURCE_CHECKS: "true"}
    metadata = new.metadata.model_copy(update={"annotations": marks})

    step = first(new.model_copy(update={"metadata": metadata}))

    assert step.satisfied
    assert step.reason is Reason.UNKNOWN_INSTANCE_TYPE
    assert step.message == first(new).message


@pytest.mark.parametrize(("mib", "refused"), [("16384", False), ("8192", True), ("", False)])
def test_what_a_node_s_labels_say_wins_over_the_table(mib: str, *, refused: bool) -> None:
    found = {"apps": "phi", labels.GPU_COUNT: "1", labels.GPU_MEMORY: mib}

    step = plan(observed(nodes=(node(found, name="n"),)))[0]

    assert step.satisfied is not refused
    assert ("Standard_X has 1 GPU with 8 GiB" in step.message) is refused


def test_what_the_cloud_says_on_the_claim_wins_over_the_table() -> None:
    many = CATALOG.skus["Standard_X"].model_copy(update={"gpus": 8, "gpu_memory_gib": 4})
    cut = PRESET.model_copy(
        update={"images": (PRESET.image.model_copy(update={"parallel": "tensor"}),)}
    )
    catalog = Catalog({"phi": cut}, {"Standard_X": many})
    launched = Machine.model_validate(
        {**rendered_claim(workspace(), WISH), "status": {"capacity": {labels.GPU: "1"}}}
    )

    step = plan(observed(catalog=catalog, claims=(launched,)))[0]

    assert plan(observed(catalog=catalog))[0].satisfied
    assert step.reason is Reason.NOT_ENOUGH_MEMORY
    assert "Standard_X has 1 GPU with 4 GiB" in step.message
    assert step.message.endswith(f"; so claim {launched.metadata.name} says, not the table")


BROUGHT = {"apps": "phi", labels.INSTANCE_TYPE: "rack-1"}
DISCOVERED = {**BROUGHT, labels.GPU_COUNT: "2", labels.GPU_MEMORY: "24576"}


@pytest.mark.parametrize(
    ("carried", "reason", "said"),
    [
        (DISCOVERED, Reason.RECONCILING, ""),
        (BROUGHT, Reason.UNKNOWN_INSTANCE_TYPE, "rack-1 is not in the table"),
        (
            {**DISCOVERED, labels.GPU_MEMORY: "2048"},
            Reason.NOT_ENOUGH_MEMORY,
            "2 GPUs with 2 GiB each: choose a larger instance type; so node mine says",
        ),
    ],
    ids=["large enough", "that says nothing", "too small"],
)
def test_a_brought_node_of_no_table_is_sized_from_its_labels(
    carried: dict[str, str], reason: Reason, said: str
) -> None:
    held = observed().workspace.model_copy(
        update={"resource": workspace(resource=selecting(instanceType="rack-1")).resource}
    )

    step = plan(observed(workspace=held, nodes=(typed(carried, gpus=2),)))[0]

    assert step.reason is reason
    assert said in step.message


def typed(carried: dict[str, str], *, gpus: int) -> Node:
    """A node of the type that its labels name, with GPUs in its capacity."""
    made = node(carried, name="mine", gpus=gpus).model_dump(by_alias=True)
    made["metadata"]["labels"] = carried
    made["status"]["capacity"] = {labels.GPU: str(gpus)}
    return Node.model_validate(made)


def test_without_an_instance_type_nodes_in_hand_need_no_type_that_is_sold() -> None:
    choiceless = observed().workspace.model_copy(
        update={"resource": workspace(resource=selecting()).resource}
    )
    tiny = Catalog(CATALOG.presets, {"Standard_Tiny": TINY})

    in_hand = plan(observed(workspace=choiceless, catalog=tiny, nodes=(typed(DISCOVERED, gpus=2),)))

    assert not plan(observed(workspace=choiceless, catalog=tiny))[0].satisfied
    assert in_hand[0].satisfied
    assert all(not isinstance(one, Create) for one in in_hand[2].actions)


def test_a_template_needs_an_instance_type_that_is_known() -> None:
    template: dict[str, object] = {"template": {"spec": {"containers": []}}}
    choiceless = {"labelSelector": {"matchLabels": {"apps": "phi"}}}

    step = first(workspace(inference=template, resource=choiceless))

    assert step.reason is Reason.INVALID_SPEC
    assert "resource.instanceType: must be set with inference.template" in step.message
    assert first(workspace(inference=template)).satisfied


def test_a_template_and_a_preset_may_run_on_several_nodes() -> None:
    several = selecting(instanceType="Standard_X", count=3)
    template: dict[str, object] = {"template": {"spec": {"containers": []}}}

    assert first(workspace(inference=template, resource=several)).satisfied
    assert first(workspace(resource=several)).satisfied


def test_nodes_that_cannot_share_a_model_evenly_are_refused() -> None:
    eight = Requirements(gpu_count=8, total_gpu_memory_gib=8, per_gpu_memory_gib=1)
    image = PRESET.image.model_copy(update={"parallel": "tensor"})
    preset = PRESET.model_copy(update={"images": (image,), "inference": eight, "distributed": True})
    catalog = Catalog({"phi": preset}, CATALOG.skus)
    three = workspace(resource=selecting(instanceType="Standard_X", count=3))
    held = observed().workspace.metadata

    step = plan(observed(catalog=catalog, workspace=three.model_copy(update={"metadata": held})))[0]

    assert step.reason is Reason.UNSUPPORTED
    assert step.message == (
        "resource.count: phi runs as 8 processes, which 3 nodes cannot share evenly:"
        " choose a divisor"
    )


def test_every_acceptable_type_is_checked_and_named_by_its_place() -> None:
    types = {
        "instanceTypes": ["Standard_X", "Standard_Tiny"],
        "labelSelector": {"matchLabels": {"apps": "phi"}},
    }

    step = first(workspace(resource=types))

    assert step.reason is Reason.NOT_ENOUGH_MEMORY
    assert step.message.startswith("resource.instanceTypes[1]: ")


def test_a_private_model_needs_the_user_s_own_image() -> None:
    private = PRESET.model_copy(update={"access": "private"})
    catalog = Catalog({"phi": private}, CATALOG.skus)
    own = {"name": "phi", "accessMode": "private", "presetOptions": {"image": "mine:1"}}

    step = plan(observed(catalog=catalog))[0]
    owned = plan(observed(catalog=catalog, workspace=workspace(inference={"preset": own})))[0]

    assert step.reason is Reason.INVALID_SPEC
    assert "set accessMode to private and presetOptions.image to yours" in step.message
    assert owned.satisfied


def test_a_model_that_no_image_serves_is_refused_with_the_reason() -> None:
    reason = {"images.kaito": "our server does not run it"}
    bare = PRESET.model_copy(update={"images": (), "left_out": reason})

    step = plan(observed(catalog=Catalog({"phi": bare}, CATALOG.skus)))[0]

    assert step.reason is Reason.UNSUPPORTED
    assert step.message.endswith("no image serves phi: our server does not run it")


def test_a_token_that_opens_nothing_is_told_of_what_was_never_accepted() -> None:
    preset = {"name": "phi", "presetOptions": {"modelAccessSecret": "hub"}}
    told = observed(workspace=workspace(inference={"preset": preset}))
    held = told.workspace.metadata.model_copy(update={"finalizers": (labels.WORKSPACE_FINALIZER,)})
    image = PRESET.image.model_copy(update={"token_variable": "HF_TOKEN"})
    fetched = PRESET.model_copy(update={"images": (image,)})
    accepted = told.workspace.model_copy(update={"metadata": held})
    running = Deployment.model_validate(deployment(told.workspace))

    step = plan(told)[0]
    opened = plan(replace(told, catalog=Catalog({"phi": fetched}, CATALOG.skus)))[0]
    gone_on = plan(replace(told, deployment=running))[0]
    waiting = plan(replace(told, workspace=accepted))[0]

    assert (step.satisfied, step.reason) == (False, Reason.INVALID_SPEC)
    assert step.message.startswith("inference.preset.presetOptions.modelAccessSecret: phi has its")
    assert opened.satisfied
    assert gone_on.satisfied
    assert waiting.satisfied


@pytest.mark.parametrize("access", ["public", "private"])
def test_weights_that_no_pod_may_fetch_are_told_before_a_node_is_bought(access: str) -> None:
    image = PRESET.image.model_copy(update={"weights": "hub"})
    catalog = Catalog(
        presets=MappingProxyType({"phi": PRESET.model_copy(update={"images": (image,)})}),
        skus=CATALOG.skus,
    )
    offline = Options(registry="", carrier=Settings(hub_offline=True).carrier)
    preset = {"name": "phi", "accessMode": access, "presetOptions": {"image": "r.example/phi:1"}}
    subject = workspace(inference={"preset": preset})

    step = plan(observed(workspace=subject, catalog=catalog, options=offline))[0]

    assert step.reason is Reason.UNSUPPORTED
    assert "--hub-offline" in step.message
    assert "inference.template" in step.message
    assert not step.actions
    for fetched, told in ((catalog, Options(registry="")), (CATALOG, offline)):
        seen = observed(workspace=subject, catalog=fetched, options=told)
        assert Reason.UNSUPPORTED not in {one.reason for one in plan(seen)}


def test_the_status_says_how_the_model_fits_in_the_words_of_the_command_line() -> None:
    found = {"apps": "phi", "kaito.sh/workspace-uid": UID}
    held = observed(nodes=(node(found, name="n"),))

    said = {step.condition: step.message for step in plan(held)}

    assert said["ResourceReady"] == f"1 of 1 nodes are ready: {fit(PRESET, SKU, nodes=1).sentence}"
