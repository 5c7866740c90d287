"""What is looked at before a node is bought, and what follows from what was found."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from kaito.api.reasons import Reason
from kaito.api.workspace import Workspace
from kaito.catalog.catalog import Catalog
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.preflight import ensure_change, ensure_preflight
from kaito.controllers.workspace.status import status
from kaito.controllers.workspace.step import Create, Delete, Step
from kaito.kube.conditions import condition
from kaito.kube.kinds import PODS, Deployment, Pod
from tests.unit.controllers.workspace.adapters import LEGAL, POLITE, adapted
from tests.unit.controllers.workspace.worlds import (
    CATALOG,
    NOW,
    PRESET,
    UID,
    node,
    observed,
    workspace,
)
from tests.unit.workloads.wire import deployment
from tests.unit.workloads.wire import pod as pod_of

SAID = "inference.adapters[0].source.image: r.example/legal:1: 404: check the tag"


def created(step: Step) -> Any:
    """The one object that a step creates."""
    (manifest,) = [action.manifest for action in step.actions if isinstance(action, Create)]
    return manifest


def deleted(step: Step) -> list[str]:
    """Names of what it deletes."""
    return [one.seen.metadata.name for one in step.actions if isinstance(one, Delete)]


def a_pod(seen: Observed, *, age: float = 0, **status: Any) -> Pod:
    """The pod that a look has created, some seconds ago."""
    made = created(ensure_preflight(seen))
    metadata = {**made["metadata"], "uid": "p", "creationTimestamp": NOW - timedelta(seconds=age)}
    return Pod.model_validate({"metadata": metadata, "status": status})


def ended(code: int, message: str, *, ago: float = 0, name: str = "check") -> dict[str, Any]:
    """The status of a pod whose container has ended."""
    finished = NOW - timedelta(seconds=ago)
    state = {"terminated": {"exitCode": code, "message": message, "finishedAt": finished}}
    phase = "Failed" if code else "Succeeded"
    return {"phase": phase, "containerStatuses": [{"name": name, "state": state}]}


def test_the_plain_quick_start_is_not_looked_at() -> None:
    step = ensure_preflight(observed())
    assert step.satisfied
    assert step.actions == ()


def test_adapters_are_looked_at_before_a_node_is_bought() -> None:
    seen = observed(workspace=adapted(LEGAL))
    steps = plan(replace(seen, workspace=with_finalizer(seen.workspace)))
    assert steps[-1].reason == Reason.PREFLIGHT
    assert created(steps[-1])["kind"] == "Pod"


def with_finalizer(subject: Workspace) -> Workspace:
    held = observed().workspace.metadata.finalizers
    metadata = subject.metadata.model_copy(update={"finalizers": held})
    return subject.model_copy(update={"metadata": metadata})


def test_its_pod_belongs_to_the_workspace_and_is_selected_by_nobody() -> None:
    made = created(ensure_preflight(observed(workspace=adapted(LEGAL))))
    assert made["metadata"]["ownerReferences"][0]["uid"] == UID
    assert made["metadata"]["labels"] == {"kaito.sh/preflight": "w"}
    assert len(made["metadata"]["name"]) <= 63 + len("w")


def test_its_pod_is_restricted_and_goes_to_no_tainted_node() -> None:
    spec = created(ensure_preflight(observed(workspace=adapted(LEGAL))))["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["restartPolicy"] == "Never"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "tolerations" not in spec
    assert "affinity" not in spec
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "nvidia.com/gpu" not in container["resources"]["requests"]


def test_another_list_is_looked_at_by_another_pod() -> None:
    names = {
        created(ensure_preflight(observed(workspace=adapted(*adapters))))["metadata"]["name"]
        for adapters in ((LEGAL,), (POLITE,), (LEGAL, POLITE))
    }
    assert len(names) == 3


def test_a_pod_that_has_found_nothing_wrong_lets_nodes_be_bought() -> None:
    seen = observed(workspace=adapted(LEGAL))
    step = ensure_preflight(replace(seen, preflights=(a_pod(seen, **ended(0, "")),)))
    assert step.satisfied
    assert step.actions == ()


def test_what_was_found_wrong_is_said_and_looked_at_again_after_a_minute() -> None:
    seen = observed(workspace=adapted(LEGAL))
    fresh = ensure_preflight(replace(seen, preflights=(a_pod(seen, **ended(1, SAID, ago=20)),)))
    assert (fresh.satisfied, fresh.reason, fresh.message) == (False, "PreflightFailed", SAID)
    assert fresh.recheck_seconds == 40
    old = ensure_preflight(replace(seen, preflights=(a_pod(seen, **ended(1, SAID, ago=60)),)))
    assert old.message == SAID
    assert len(deleted(old)) == 1


def test_it_stands_in_the_status_and_the_workspace_is_stalled() -> None:
    seen = observed(workspace=with_finalizer(adapted(LEGAL)))
    seen = replace(seen, preflights=(a_pod(seen, **ended(1, SAID)),))
    found = status(seen, plan(seen)).conditions
    for type_ in ("InferenceReady", "Ready"):
        said = condition(found, type_)
        assert said
        assert (said.status, said.reason, said.message) == ("False", "PreflightFailed", SAID)
    stalled = condition(found, "Stalled")
    assert stalled
    assert stalled.status == "True"


def test_while_it_is_looked_at_again_the_failure_stands() -> None:
    subject = with_finalizer(adapted(LEGAL))
    seen = observed(workspace=subject)
    failed = replace(seen, preflights=(a_pod(seen, **ended(1, SAID)),))
    told = subject.model_copy(update={"status": status(failed, plan(failed))})
    step = ensure_preflight(observed(workspace=told))
    assert (step.reason, step.message) == ("PreflightFailed", SAID)
    assert created(step)


def test_another_generation_is_looked_at_without_the_old_failure() -> None:
    seen = observed(workspace=with_finalizer(adapted(LEGAL)))
    failed = replace(seen, preflights=(a_pod(seen, **ended(1, SAID)),))
    later = adapted(POLITE, generation=2).model_copy(
        update={"status": status(failed, plan(failed))}
    )
    step = ensure_preflight(observed(workspace=later, preflights=failed.preflights))
    assert step.reason == Reason.PREFLIGHT
    assert deleted(step) == [failed.preflights[0].metadata.name]


@pytest.mark.parametrize(("age", "satisfied"), [(59, False), (60, True)])
def test_a_pod_that_no_node_takes_is_waited_for_a_minute(age: float, *, satisfied: bool) -> None:
    seen = observed(workspace=adapted(LEGAL))
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes available"}
    pod = a_pod(seen, age=age, phase="Pending", conditions=[unscheduled])
    step = ensure_preflight(replace(seen, preflights=(pod,)))
    assert step.satisfied is satisfied
    if satisfied:
        assert step.reason == Reason.PREFLIGHT_SKIPPED
        assert "0/3 nodes available" in step.message
    else:
        assert step.recheck_seconds == 1


def test_a_pod_whose_image_cannot_be_had_is_skipped_too() -> None:
    seen = observed(workspace=adapted(LEGAL))
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    container = {"name": "check", "state": {"waiting": waiting}}
    pod = a_pod(seen, age=61, phase="Pending", containerStatuses=[container])
    step = ensure_preflight(replace(seen, preflights=(pod,)))
    assert (step.satisfied, step.reason) == (True, "PreflightSkipped")
    assert "ImagePullBackOff: no such image" in step.message


@pytest.mark.parametrize(
    "found",
    [ended(137, ""), {"phase": "Failed", "reason": "DeadlineExceeded"}],
    ids=["killed", "too slow"],
)
def test_a_pod_that_ends_without_a_word_forbids_nothing(found: dict[str, Any]) -> None:
    seen = observed(workspace=adapted(LEGAL))
    step = ensure_preflight(replace(seen, preflights=(a_pod(seen, **found),)))
    assert (step.satisfied, step.reason) == (True, "PreflightSkipped")


def test_a_private_image_with_a_secret_is_looked_at_and_without_one_left_to_the_node() -> None:
    def private(*secrets: str) -> Observed:
        options = {"image": "r.example/phi:1", "imagePullSecrets": list(secrets)}
        preset = {"name": "phi", "accessMode": "private", "presetOptions": options}
        return observed(workspace=workspace(inference={"preset": preset}))

    made = created(ensure_preflight(private("team")))
    (item,) = [word for word in made["spec"]["containers"][0]["command"] if "--item" in word]
    assert '"field":"inference.preset.presetOptions.image"' in item
    assert ensure_preflight(private()).satisfied


def tuning(**changes: Any) -> Observed:
    """A look at a workspace that tunes."""
    spec = {
        "preset": {"name": "phi"},
        "method": "qlora",
        "input": {"urls": ["https://data.example/a.parquet"]},
        "output": {"image": "r.example/out:1", "imagePushSecret": "push"},
        **changes,
    }
    return observed(workspace=workspace(inference=None, tuning=spec))


def test_a_tuning_is_looked_at_from_both_ends() -> None:
    step = ensure_preflight(tuning())
    (container,) = created(step)["spec"]["containers"]
    items = [word for word in container["command"] if "--item" in word]
    assert ['"kind":"url"' in items[0], '"kind":"push"' in items[1]] == [True, True]
    assert step.condition == "JobStarted"


def test_the_parameters_of_a_tuning_are_read_beforehand() -> None:
    seen = tuning(config="mine")
    made = created(ensure_preflight(seen))
    names = [container["name"] for container in made["spec"]["containers"]]
    assert names == ["check", "parameters"]
    note = '{"outcome": "failed", "reason": "InvalidSpec", "message": "tuning.config: bad key"}'
    pod = a_pod(seen, **ended(1, note, name="parameters"))
    step = ensure_preflight(replace(seen, preflights=(pod,)))
    assert (step.reason, step.message) == ("PreflightFailed", "tuning.config: bad key")


def test_a_change_is_looked_at_before_pods_that_answer_are_replaced() -> None:
    seen = serving(LEGAL)
    assert ensure_change(seen).satisfied
    changed = replace(seen, workspace=adapted(POLITE))
    assert ensure_preflight(changed).satisfied
    step = ensure_change(changed)
    assert (step.satisfied, step.reason) == (False, Reason.PREFLIGHT)
    assert created(step)["kind"] == PODS.kind


def test_a_change_is_looked_at_beside_the_model_where_the_pods_are() -> None:
    changed = replace(serving(LEGAL), workspace=adapted(POLITE))
    bought = created(ensure_preflight(replace(changed, deployment=None)))["metadata"]["name"]
    made = created(ensure_change(changed))
    spec, pods = made["spec"], pod_of(deployment(adapted(POLITE)))

    assert made["metadata"]["name"] != bought
    assert [one["name"] for one in spec["initContainers"]] == ["check", "adapters"]
    assert spec["containers"] == [one for one in pods["initContainers"] if "fit" in one["name"]]
    assert spec["tolerations"] == pods["tolerations"]
    assert spec["affinity"] == {"nodeAffinity": pods["affinity"]["nodeAffinity"]}
    names = {volume["name"] for volume in spec["volumes"]}
    assert len(names) == len(spec["volumes"])
    for one in (*spec["initContainers"], *spec["containers"]):
        assert {mount["name"] for mount in one["volumeMounts"]} <= names
        assert "nvidia.com/gpu" not in one["resources"].get("limits", {})


@pytest.mark.parametrize("name", ["check", "adapters", "adapters-fit"])
def test_what_any_step_of_the_look_says_leaves_the_pods_alone(name: str) -> None:
    changed = replace(serving(LEGAL), workspace=adapted(POLITE))
    made = created(ensure_change(changed))["metadata"]
    state = {"terminated": {"exitCode": 1, "message": SAID, "finishedAt": NOW}}
    where = "containerStatuses" if name == "adapters-fit" else "initContainerStatuses"
    status = {"phase": "Failed", where: [{"name": name, "state": state}]}
    pod = Pod.model_validate({"metadata": {**made, "uid": "p"}, "status": status})

    step = ensure_change(replace(changed, preflights=(pod,)))

    assert (step.satisfied, step.reason, step.message) == (False, "PreflightFailed", SAID)
    assert step.actions == ()


def test_a_look_that_fetches_for_long_is_waited_for() -> None:
    changed = replace(serving(LEGAL), workspace=adapted(POLITE))
    made = created(ensure_change(changed))["metadata"]
    since = {"creationTimestamp": NOW - timedelta(seconds=100), "uid": "p"}
    state = {"running": {"startedAt": NOW}}
    begun = {"phase": "Pending", "initContainerStatuses": [{"name": "adapters", "state": state}]}

    def step(status: dict[str, Any]) -> Step:
        pod = Pod.model_validate({"metadata": made | since, "status": status})
        return ensure_change(replace(changed, preflights=(pod,)))

    assert not step(begun).satisfied
    assert step({"phase": "Pending"}).reason == "PreflightSkipped"


def test_the_pod_that_looks_at_a_change_stays_until_it_has_looked() -> None:
    changed = replace(serving(LEGAL), workspace=adapted(POLITE))
    made = created(ensure_change(changed))
    pod = Pod.model_validate({"metadata": {**made["metadata"], "uid": "p"}})
    seen = replace(changed, preflights=(pod,))
    assert ensure_preflight(seen).actions == ()
    step = ensure_change(seen)
    assert not step.satisfied
    assert step.actions == ()


def test_a_pod_that_has_looked_goes_once_a_workload_has_what_it_looked_at() -> None:
    seen = serving(LEGAL)
    bare = replace(seen, deployment=None)
    pod = a_pod(bare, **ended(0, ""))
    assert deleted(ensure_change(replace(seen, preflights=(pod,)))) == [pod.metadata.name]


def serving(*adapters: dict[str, Any]) -> Observed:
    """A look at a workspace whose Deployment has these adapters."""
    subject = adapted(*adapters)
    made = Deployment.model_validate(deployment(subject))
    return observed(workspace=subject, deployment=made, nodes=(node({"apps": "phi"}, name="n"),))


def test_an_adapter_may_not_be_named_like_the_model() -> None:
    named = {"source": {"name": "phi", "image": "r.example/legal:1"}}
    step = plan(observed(workspace=with_finalizer(adapted(LEGAL, named))))[-1]
    assert (step.satisfied, step.reason) == (False, Reason.INVALID_SPEC)
    assert step.message.startswith("inference.adapters[1].source.name: phi is the model itself")


def test_the_token_of_a_model_on_the_hub_is_tried_before_its_node_is_bought() -> None:
    image = PRESET.image.model_copy(update={"weights": "hub"})
    fetched = PRESET.model_copy(update={"images": (image,), "aliases": ("team/phi",)})
    catalog = Catalog(presets=MappingProxyType({"phi": fetched}), skus=CATALOG.skus)
    preset = {"name": "phi", "presetOptions": {"modelAccessSecret": "hub"}}
    seen = observed(workspace=workspace(inference={"preset": preset}), catalog=catalog)

    made = created(ensure_preflight(seen))

    assert made["kind"] == "Pod"
    assert "team/phi" in " ".join(made["spec"]["containers"][0]["command"])
    assert not ensure_preflight(replace(seen, catalog=CATALOG)).actions
