"""What comes out of an answer's bytes."""

from __future__ import annotations

from typing import Any

import pytest

from kaito.kube.answers import decoded, failure
from kaito.kube.errors import ServerFault, Unavailable


def test_what_every_node_says_is_held_once() -> None:
    bodies = (b'{"labels": {"os": "linux"}}', b'{"annotations": {"kernel": "linux"}}')
    one, other = (decoded(body) for body in bodies)

    first: Any = one
    second: Any = other
    assert first["labels"]["os"] is second["annotations"]["kernel"]


def test_the_budget_that_forbids_an_eviction_is_named() -> None:
    body = b"""{"kind": "Status", "status": "Failure", "reason": "TooManyRequests", "code": 429,
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "details": {"causes": [{"reason": "DisruptionBudget",
            "message": "The disruption budget web needs 1 healthy pods and has 1 currently"}]}}"""

    said = failure(429, body, {}).message

    assert said.startswith("Cannot evict pod")
    assert said.endswith("The disruption budget web needs 1 healthy pods and has 1 currently")


FAULT = b'{"kind": "Status", "status": "Failure", "message": "failed calling webhook", "code": 500}'


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, FAULT, ServerFault),
        (500, b"<html></html>", Unavailable),
        (500, b"{}", Unavailable),
        (503, FAULT, Unavailable),
        (503, FAULT.replace(b"500", b"503"), Unavailable),
    ],
)
def test_a_fault_is_what_the_server_itself_says_failed(
    status: int, body: bytes, kind: type[Unavailable]
) -> None:
    assert type(failure(status, body, {})) is kind
