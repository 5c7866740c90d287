"""What comes out of an answer's bytes."""

from __future__ import annotations

from typing import Any

from kaito.kube.answers import decoded


def test_what_every_node_says_is_held_once() -> None:
    bodies = (b'{"labels": {"os": "linux"}}', b'{"annotations": {"kernel": "linux"}}')
    one, other = (decoded(body) for body in bodies)

    first: Any = one
    second: Any = other
    assert first["labels"]["os"] is second["annotations"]["kernel"]
