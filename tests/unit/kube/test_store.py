"""What readers of a store see, and what it says has changed."""

from __future__ import annotations

import pytest

from kaito.kube.decoding import Listing
from kaito.kube.store import Store
from tests.unit.kube.builders import Thing, ref, thing


def sizes() -> Store[Thing]:
    """A store that finds Things by size."""
    return Store({"size": lambda each: [str(each.spec.size)]})


def test_objects_are_listed_by_ref_whatever_the_order_of_arrival() -> None:
    store = sizes()
    for name in "cab":
        store.put(thing(name))

    assert [each.metadata.name for each in store.list()] == list("abc")
    assert store.get(ref("b")) == thing("b")
    assert len(store) == 3


def test_r16_an_older_version_of_an_object_is_ignored() -> None:
    store = sizes()
    store.put(thing("a", version=10, size=2))

    changes = store.put(thing("a", version=9, size=1))

    assert changes == ()
    assert store.list() == (thing("a", version=10, size=2),)


def test_the_same_version_again_is_no_change() -> None:
    store = sizes()
    store.put(thing("a", version=9))

    assert store.put(thing("a", version=9)) == ()


def test_i4_an_older_version_of_another_object_of_that_name_is_a_delete_and_a_create() -> None:
    store = sizes()
    old, new = thing("a", uid="u1", version=10), thing("a", uid="u2", version=9)
    store.put(old)

    assert store.put(new) == ((old, None), (None, new))
    assert store.list() == (new,)


def test_i11_an_index_follows_its_objects() -> None:
    store = sizes()
    store.put(thing("b", size=1))
    store.put(thing("a", size=1))
    store.put(thing("b", version=2, size=2))
    store.put(thing("c", size=3))
    store.remove(ref("c"))

    assert store.by_index("size", "1") == (thing("a", size=1),)
    assert store.by_index("size", "2") == (thing("b", version=2, size=2),)
    assert store.by_index("size", "3") == ()


def test_i11_an_index_that_nobody_made_is_an_error() -> None:
    with pytest.raises(KeyError):
        sizes().by_index("colour", "red")


def test_i3_replace_tells_what_went_what_came_and_what_changed() -> None:
    store = sizes()
    gone, same, old = thing("gone"), thing("same"), thing("changed", size=1)
    for each in (gone, same, old):
        store.put(each)
    new, more = thing("changed", version=2, size=2), thing("more")

    changes = store.replace(Listing((same, new, more), "7"))

    assert changes == ((gone, None), (old, new), (None, more))
    assert store.list() == (new, more, same)


def test_replace_keeps_what_exists_and_cannot_be_read() -> None:
    store = sizes()
    store.put(thing("a"))

    changes = store.replace(Listing((), "7", frozenset({ref("a")})))

    assert changes == ()
    assert store.get(ref("a")) == thing("a")


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert sizes().remove(ref("a")) == ()
