"""What becomes of the owners of fields when an object that was made is applied to."""

from __future__ import annotations

from typing import Any

from kaito.kube.ownership import as_applied, entries_of

BOTH: dict[str, Any] = {"f:spec": {"f:ports": {'k:{"port":80}': {".": {}, "f:port": {}}}}}


def entry(operation: str, manager: str = "kaito", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", **more}


def test_what_a_manager_has_created_counts_as_what_it_applied() -> None:
    made = entry("Update", fieldsV1={"f:spec": {"f:ports": {'k:{"port":80}': {".": {}}}}})
    other = entry("Update", "kubectl", fieldsV1={"f:metadata": {}})
    applied = entry("Apply", fieldsV1={"f:spec": {"f:ports": {'k:{"port":80}': {"f:port": {}}}}})

    assert as_applied([made, other], "kaito") == [
        other,
        {**made, "operation": "Apply"},
    ]
    assert as_applied([applied, made], "kaito") == [{**applied, "fieldsV1": BOTH}]


def test_where_all_was_applied_there_is_nothing_to_change() -> None:
    status = entry("Update", subresource="status", fieldsV1={"f:status": {}})

    assert as_applied([entry("Apply", fieldsV1=BOTH), status], "kaito") is None
    assert as_applied([entry("Update", "kubectl", fieldsV1=BOTH)], "kaito") is None
    assert as_applied([], "kaito") is None


def test_the_owners_of_a_status_stay() -> None:
    status = entry("Update", subresource="status", fieldsV1={"f:status": {}})
    made = entry("Update", fieldsV1=BOTH)

    assert as_applied([made, status], "kaito") == [status, {**made, "operation": "Apply"}]


def test_an_object_that_names_no_owners_has_none() -> None:
    assert entries_of({"metadata": {"name": "a"}}) == ()
    assert entries_of({"metadata": {"managedFields": [entry("Apply")]}}) == (entry("Apply"),)
