"""The trainer's last words, as the operator reads them."""

from __future__ import annotations

import json

import pytest

from kaito.api.reasons import Reason
from kaito.workloads.note import Broken, Tuned, note_of


def test_a_result_is_read() -> None:
    text = json.dumps(
        {"outcome": "succeeded", "steps": 9, "loss": 0.5, "image": "r/a:1", "digest": "sha256:0"}
    )

    assert note_of(text) == Tuned(steps=9, loss=0.5, image="r/a:1", digest="sha256:0")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("TrainingConfigInvalid", Reason.TRAINING_CONFIG_INVALID),
        ("DataUnavailable", Reason.DATA_UNAVAILABLE),
        ("DataUnusable", Reason.DATA_UNUSABLE),
        ("ModelUnavailable", Reason.MODEL_UNAVAILABLE),
        ("OutOfMemory", Reason.GPU_OUT_OF_MEMORY),
        ("TrainingFailed", Reason.TRAINING_FAILED),
        ("PushFailed", Reason.PUSH_FAILED),
        ("Interrupted", Reason.TUNING),
        ("SomethingNewer", Reason.TRAINING_FAILED),
    ],
)
def test_every_failure_has_a_reason(said: str, reason: Reason) -> None:
    text = json.dumps({"outcome": "failed", "reason": said, "message": "do this", "lasting": False})

    assert note_of(text) == Broken(reason, "do this", lasting=False)


@pytest.mark.parametrize(
    "text", ["", "Killed", "[]", "{}", '{"outcome": "succeeded", "steps": []}']
)
def test_other_last_words_are_no_note(text: str) -> None:
    assert note_of(text) is None
