"""What a decoded object holds, and what it does not."""

from __future__ import annotations

from kaito.kube.kinds import Node

WIRE = {
    "metadata": {"name": "n", "uid": "u", "labels": {"a": "b"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def test_values_keep_no_record_of_which_fields_were_told() -> None:
    first, second = Node.model_validate(WIRE), Node.model_validate({})

    records = {id(each.model_fields_set) for each in (first, second, *first.status.conditions)}

    assert len(records) == 1
    assert first.model_fields_set == set()


def test_a_changed_copy_leaves_that_of_all_others_alone() -> None:
    node = Node.model_validate(WIRE)

    changed = node.model_copy(update={"status": node.status.model_copy(update={"conditions": ()})})

    assert changed.status.conditions == ()
    assert node.status.conditions != ()
    assert Node.model_validate(WIRE).model_fields_set == set()


def test_a_field_that_was_told_its_default_makes_no_difference() -> None:
    told = {**WIRE, "spec": {"unschedulable": False}}

    assert Node.model_validate(told) == Node.model_validate(WIRE)
    assert Node.model_validate(told).model_dump() == Node.model_validate(WIRE).model_dump()
