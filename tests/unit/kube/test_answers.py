"""What comes out of an answer's bytes."""

from __future__ import annotations

from typing import Any

from kaito.kube.answers import decoded, failure


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
