"""A tuning as a pure decision: the Job, its result, and the nodes that go when it is there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kaito.api.machine import Machine
from kaito.api.reasons import Reason
from kaito.api.workspace import TuningResult, Workspace
from kaito.catalog.preset import Requirements
from kaito.controllers.workspace.observe import Observed
from kaito.controllers.workspace.plan import plan
from kaito.controllers.workspace.status import status
from kaito.controllers.workspace.step import Create, Delete
from kaito.controllers.workspace.tuning import await_result, ensure_job, is_recorded
from kaito.kube.conditions import condition
from kaito.kube.kinds import Job, Pod
from kaito.nodes.claim import rendered_claim
from kaito.workloads.tuning import run_of
from tests.unit.controllers.workspace.worlds import (
    CATALOG,
    NOW,
    PRESET,
    WISH,
    node_of,
    observed,
    workspace,
)

SUCCESS = {
    "outcome": "succeeded",
    "steps": 120,
    "loss": 0.25,
    "image": "r/a:1",
    "digest": "sha256:9",
}
TUNABLE = PRESET.model_copy(
    update={"tuning": Requirements(gpu_count=1, total_gpu_memory_gib=9, per_gpu_memory_gib=9)}
)


def tuner(**changes: Any) -> Workspace:
    spec = {
        "preset": {"name": "phi"},
        "method": "lora",
        "input": {"urls": ["https://a.example/x.parquet"]},
        "output": {"image": "r/a:1", "imagePushSecret": "push"},
    }
    made = workspace(inference=None, tuning={**spec, **changes})
    metadata = made.metadata.model_copy(update={"finalizers": ("workspace.finalizer.kaito.sh",)})
    return made.model_copy(update={"metadata": metadata})


def looked(subject: Workspace | None = None, **changes: Any) -> Observed:
    catalog = replace(CATALOG, presets={"phi": TUNABLE})
    return observed(workspace=subject or tuner(), catalog=catalog, **changes)


def claimed(subject: Workspace) -> Machine:
    return Machine.model_validate(rendered_claim(subject, WISH))


def a_job(subject: Workspace, **status: Any) -> Job:
    run = {"workspace.kaito.io/hash": run_of(subject)}
    metadata = {"name": "w", "namespace": "default", "uid": "j", "annotations": run}
    return Job.model_validate({"metadata": metadata, "status": status})


def a_pod(state: dict[str, Any], *, last: dict[str, Any] | None = None, name: str = "p") -> Pod:
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "w", "uid": "j"}
    trainer = {"name": "trainer", "state": state, "lastState": last or {}}
    return Pod.model_validate(
        {
            "metadata": {"name": name, "namespace": "default", "ownerReferences": [owner]},
            "status": {"phase": "Running", "containerStatuses": [trainer]},
        }
    )


def ended(code: int, note: dict[str, Any] | str) -> dict[str, Any]:
    message = note if isinstance(note, str) else json.dumps(note)
    return {"terminated": {"exitCode": code, "message": message}}


def failed(reason: str, *, lasting: bool) -> dict[str, Any]:
    note = {"outcome": "failed", "reason": reason, "message": "mend it", "lasting": lasting}
    return ended(1, note)


def running(*, seconds: float) -> dict[str, Any]:
    return {"running": {"startedAt": NOW - timedelta(seconds=seconds)}}


def with_pod(pod: Pod, **status: Any) -> Observed:
    subject = tuner()
    return looked(subject, job=a_job(subject, **status), pods=(pod,))


def test_a_job_is_created_where_there_is_none() -> None:
    step = ensure_job(looked())

    (action,) = step.actions
    assert isinstance(action, Create)
    assert action.resource.kind == "Job"
    assert not step.satisfied


def test_a_job_of_an_earlier_spec_is_replaced_and_waited_for() -> None:
    subject = tuner()
    earlier = a_job(tuner(config="other"))
    going = earlier.model_copy(
        update={"metadata": earlier.metadata.model_copy(update={"deletion_timestamp": NOW})}
    )

    replaced = ensure_job(looked(subject, job=earlier))
    waited = ensure_job(looked(subject, job=going))

    assert [type(action) for action in replaced.actions] == [Delete]
    assert (waited.satisfied, waited.actions) == (False, ())


def test_the_job_has_started_once_its_trainer_runs() -> None:
    waiting = with_pod(a_pod({"waiting": {"reason": "ContainerCreating"}}))
    started = with_pod(a_pod(running(seconds=1)))

    assert not ensure_job(waiting).satisfied
    assert ensure_job(started).satisfied


def test_a_running_tuning_is_reconciling_and_not_ready() -> None:
    step = await_result(with_pod(a_pod(running(seconds=1))))

    assert (step.satisfied, step.reason) == (False, Reason.TUNING)


def test_the_result_is_taken_from_the_last_words() -> None:
    step = await_result(with_pod(a_pod(ended(0, SUCCESS))))

    assert step.satisfied
    assert step.tuned
    assert (step.tuned.steps, step.tuned.loss, step.tuned.digest) == (120, "0.25", "sha256:9")
    assert step.message == "the adapter is pushed as r/a:1@sha256:9 after 120 steps with loss 0.25"
    assert step.reason is Reason.READY


def test_a_complete_job_is_a_success_though_its_pod_is_gone() -> None:
    subject = tuner()
    job = a_job(subject, conditions=[{"type": "Complete", "status": "True"}])

    step = await_result(looked(subject, job=job))

    assert (step.satisfied, step.message) == (True, "the adapter is pushed as r/a:1")


def test_a_pod_of_an_earlier_job_says_nothing() -> None:
    subject = tuner()
    job = a_job(subject).model_copy(
        update={"metadata": a_job(subject).metadata.model_copy(update={"uid": "another"})}
    )

    step = await_result(looked(subject, job=job, pods=(a_pod(ended(0, SUCCESS)),)))

    assert not step.satisfied


@pytest.mark.parametrize("lasting", [True, False])
def test_a_failure_is_told_in_its_own_words(*, lasting: bool) -> None:
    step = await_result(with_pod(a_pod(failed("DataUnusable", lasting=lasting))))

    assert step.reason is Reason.DATA_UNUSABLE
    assert step.message.startswith("mend it")
    assert step.lasting is lasting


def test_a_failure_stands_while_the_next_try_is_young_and_passes_when_it_lasts() -> None:
    last = failed("PushFailed", lasting=False)

    young = await_result(with_pod(a_pod(running(seconds=100), last=last)))
    old = await_result(with_pod(a_pod(running(seconds=121), last=last)))

    assert (young.reason, young.recheck_seconds) == (Reason.PUSH_FAILED, 20)
    assert old.reason is Reason.TUNING


def test_a_crash_without_last_words_is_diagnosed_as_any_other() -> None:
    crash = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}

    step = await_result(with_pod(a_pod(crash)))

    assert step.reason is Reason.CONTAINER_OOM_KILLED


@pytest.mark.parametrize("known_as", ["claims", "stripped"])
def test_a_result_on_record_gives_the_nodes_back_and_runs_nothing_again(known_as: str) -> None:
    subject = tuner()
    result = TuningResult(run=run_of(subject), steps=1, image="r/a:1", digest="sha256:9")
    done = subject.model_copy(
        update={"status": subject.status.model_copy(update={"tuning": result})}
    )
    claim = claimed(done)
    seen = looked(done, **{known_as: (claim,)}, nodes=(node_of(claim),))

    steps = plan(seen)
    found = status(seen, steps)

    actions = [action for step in steps for action in step.actions]
    assert [action.seen.metadata.name for action in actions if isinstance(action, Delete)] == [
        claim.metadata.name
    ]
    assert len(actions) == 1
    assert all(step.satisfied for step in steps)
    assert Reason.NODES_RELEASED in {step.reason for step in steps}
    assert found.state == "Succeeded"
    assert found.worker_nodes == ()
    assert found.tuning == result


def test_a_changed_spec_tunes_again_though_there_is_a_result() -> None:
    earlier, later = tuner(), tuner(config="mine")
    result = TuningResult(run=run_of(earlier))

    seen = looked(
        later.model_copy(update={"status": later.status.model_copy(update={"tuning": result})})
    )

    assert not is_recorded(seen)


def test_succeeded_ready_and_workspace_ready_come_with_the_result_alone() -> None:
    subject = tuner()
    claim = claimed(subject)
    surroundings: dict[str, Any] = {"claims": (claim,), "nodes": (node_of(claim),)}
    job = a_job(subject)

    before = looked(subject, job=job, pods=(a_pod(running(seconds=1)),), **surroundings)
    steps = (ensure_job(before), await_result(before))
    during = status(before, steps)
    after_ = looked(subject, job=job, pods=(a_pod(ended(0, SUCCESS)),), **surroundings)
    after = status(after_, (ensure_job(after_), await_result(after_)))

    def holds(found: Any) -> dict[str, str]:
        wanted = ("JobStarted", "Ready", "WorkspaceReady", "WorkspaceSucceeded", "Reconciling")
        return {
            type_: one.status for type_ in wanted if (one := condition(found.conditions, type_))
        }

    assert during.state == "Running"
    assert holds(during) == {
        "JobStarted": "True",
        "Ready": "False",
        "WorkspaceReady": "False",
        "WorkspaceSucceeded": "False",
        "Reconciling": "True",
    }
    assert after.state == "Succeeded"
    assert holds(after) == {
        "JobStarted": "True",
        "Ready": "True",
        "WorkspaceReady": "True",
        "WorkspaceSucceeded": "True",
    }


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"runtime": "vllm"}, "tune a model whose image is KAITO's own on transformers"),
        ({"origin": "upstream"}, "KAITO_PRESET_IMAGES=kaito takes KAITO's own"),
    ],
    ids=["vllm", "upstream"],
)
def test_an_image_without_a_trainer_is_refused_with_what_has_one(
    changes: dict[str, str], remedy: str
) -> None:
    image = TUNABLE.image.model_copy(update=changes)
    preset = TUNABLE.model_copy(update={"images": (image,)})

    step = plan(observed(workspace=tuner(), catalog=replace(CATALOG, presets={"phi": preset})))[0]

    assert step.reason is Reason.UNSUPPORTED
    assert "holds no trainer" in step.message
    assert remedy in step.message
