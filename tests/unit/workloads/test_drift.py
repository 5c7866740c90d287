"""What counts as a change of an applied object, and what the API server only adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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


PLACES: Mapping[str, Callable[[object], object]] = {
    "a limit": lambda one: {"resources": {"limits": {"nvidia.com/gpu": one, "cpu": "1"}}},
    "a request": lambda one: {"containers": [{"name": "c", "resources": {"requests": {"a": one}}}]},
    "a volume": lambda one: {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": one}}]},
    "a unit": lambda one: {"resourceFieldRef": {"resource": "limits.cpu", "divisor": one}},
}
anywhere = pytest.mark.parametrize("placed", PLACES.values(), ids=PLACES)


@anywhere
@pytest.mark.parametrize(
    ("written", "stored"),
    [(1, "1"), (0.5, "500m"), ("1024Mi", "1Gi"), ("0.1", "100m"), ("1e3", "1k"), (0, "0")],
)
def test_a_quantity_is_the_same_however_it_is_written(
    placed: Callable[[object], object], written: object, stored: str
) -> None:
    assert is_covered(placed(written), placed(stored))


@anywhere
@pytest.mark.parametrize(
    ("written", "stored"),
    [(1, "2"), ("1024Mi", "1G"), ("1", None), (1, "one"), (True, "1"), ("1e999999999", "1")],
)
def test_another_quantity_is_a_change(
    placed: Callable[[object], object], written: object, stored: str | None
) -> None:
    assert not is_covered(placed(written), placed(stored))


def test_what_only_looks_like_a_quantity_is_compared_as_it_is_written() -> None:
    def pod(text: str) -> object:
        return {"args": ["--limit", text], "env": [{"name": "A", "value": text}]}

    assert not is_covered(pod("1"), pod("1.0"))
