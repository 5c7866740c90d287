"""Images that cannot be had, as kubelets of all supported versions tell of them."""

from __future__ import annotations

import pytest

from kaito.kube.objects import Condition
from kaito.workloads.cause import Cause
from tests.unit.workloads.pods import cause, waiting

FAILED = waiting("ErrImagePull", "manifest unknown")
BACK_OFF = 'Back-off pulling image "registry.example/phi:1"'
OLD_BACK_OFF = waiting("ImagePullBackOff", BACK_OFF)
"""As a kubelet before 1.32 says it, without the cause."""


def told(found: Cause) -> Condition:
    """A condition that a Workspace has, which tells of a cause and of how many pods are ready."""
    message = f"0 of 2 pods are ready: {found.message}"
    return Condition(type="InferenceReady", status="False", reason=found.reason, message=message)


def test_a_back_off_without_a_cause_keeps_the_one_that_was_told() -> None:
    failed, silent = cause(FAILED), cause(OLD_BACK_OFF)

    assert silent.recalled(told(failed)).message == failed.message
    assert silent.recalled(told(silent)).message == silent.message
    assert "ImagePullBackOff" in silent.message


def test_a_back_off_that_names_its_cause_is_told_as_it_is() -> None:
    said = cause(waiting("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: no such host"))

    assert "no such host" in said.recalled(told(cause(FAILED))).message


@pytest.mark.parametrize(
    "earlier",
    [
        cause(waiting("ErrImagePull", "manifest unknown", image="registry.example/phi:2")),
        cause(waiting("CreateContainerError", "manifest unknown")),
    ],
    ids=["another image", "another reason"],
)
def test_what_was_told_of_something_else_is_not_kept(earlier: Cause) -> None:
    silent = cause(OLD_BACK_OFF)

    assert silent.recalled(told(earlier)) == silent
    assert silent.recalled(None) == silent


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ErrImageNeverPull", "is not present with pull policy of Never"),
        ("ImageInspectError", "rpc error"),
        ("SignatureValidationFailed", "signature is not valid"),
    ],
)
def test_an_image_that_is_not_even_pulled_is_told(reason: str, words: str) -> None:
    found = cause(waiting(reason, f"Container image {words}"))

    assert (found.reason, found.lasting) == ("ImagePullError", True)
    assert words in found.message
