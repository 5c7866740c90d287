"""What counts as a change of an applied object, and what the API server only adds."""

from __future__ import annotations

import pytest

from kaito.workloads.drift import is_covered

POD = {
    "containers": [{"name": "c", "image": "i:1", "command": ["a", "b"], "env": []}],
    "automount": False,
}


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(POD, id="the same"),
        pytest.param(
            {
                "containers": [
                    {"name": "sidecar", "image": "s"},
                    {"name": "c", "image": "i:1", "command": ["a", "b"], "policy": "Always"},
                ],
                "automount": False,
                "dnsPolicy": "ClusterFirst",
            },
            id="defaults and a sidecar",
        ),
    ],
)
def test_additions_are_no_change(found: object) -> None:
    assert is_covered(POD, found)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({**POD, "automount": True}, id="another value"),
        pytest.param({"containers": POD["containers"]}, id="a field is gone"),
        pytest.param({**POD, "containers": []}, id="an item is gone"),
        pytest.param(
            {**POD, "containers": [{"name": "c", "image": "i:2", "command": ["a", "b"]}]},
            id="another image",
        ),
        pytest.param(
            {**POD, "containers": [{"name": "c", "image": "i:1", "command": ["a"]}]},
            id="a shorter command",
        ),
        pytest.param(None, id="nothing there"),
    ],
)
def test_a_change_is_seen(found: object) -> None:
    assert not is_covered(POD, found)


def test_zero_and_false_are_values() -> None:
    assert not is_covered({"replicas": 0}, {"replicas": 1})
    assert not is_covered({"on": False}, {})
    assert is_covered({"secrets": [], "labels": {}, "text": ""}, {})
