"""From JSON to typed objects, one by one: a bad object never spoils its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from pydantic import ValidationError

from kaito.kube.errors import Undecodable
from kaito.kube.objects import KubeObject, Ref
from kaito.kube.resource import Resource
from kaito.kube.versions import is_version

T = TypeVar("T", bound=KubeObject)

_INITIAL_END = "k8s.io/initial-events-end"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A whole collection at one moment.

    Attributes:
        items: the objects, in the server's order.
        resource_version: where a watch goes on from here.
        undecodable: objects that exist but do not fit our type.
    """

    items: tuple[T, ...]
    resource_version: str
    undecodable: frozenset[Ref] = frozenset()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `token` asks for the next, "" is the last."""

    listing: Listing[T]
    token: str


class Gathered(Generic[T]):
    """A collection that arrives one by one, and is shown to nobody before it is whole."""

    def __init__(self) -> None:
        self._items: dict[Ref, T | None] = {}

    def __len__(self) -> int:
        return len(self._items)

    def put(self, ref: Ref, item: T | None) -> None:
        """One object; None when it exists but does not fit our type."""
        self._items[ref] = item

    def remove(self, ref: Ref) -> None:
        """One object that was deleted meanwhile."""
        self._items.pop(ref, None)

    def listing(self, version: str) -> Listing[T]:
        """The whole, as of `version`."""
        return Listing(
            items=tuple(item for item in self._items.values() if item is not None),
            resource_version=version,
            undecodable=frozenset(ref for ref, item in self._items.items() if item is None),
        )


def page(resource: Resource[T], answer: Any) -> Page[T]:
    """The page in a decoded answer.

    Raises:
        Undecodable: it is not a list.
    """
    try:
        items = tuple(answer.get("items") or ())
        version = str(answer["metadata"].get("resourceVersion", ""))
        token = str(answer["metadata"].get("continue", ""))
    except (AttributeError, KeyError, TypeError) as error:
        raise Undecodable(0, "NotAList", repr(answer)[:200]) from error
    pairs = [(decode(resource, item), item) for item in items]
    fit = tuple(found for found, _ in pairs if found is not None)
    unfit = frozenset(ref_of(item) for found, item in pairs if found is None)
    return Page(Listing(fit, version, unfit), token)


def joined(pages: Sequence[Page[T]]) -> Listing[T]:
    """The collection that the pages make; its version is the first page's."""
    return Listing(
        items=tuple(item for each in pages for item in each.listing.items),
        resource_version=pages[0].listing.resource_version,
        undecodable=frozenset().union(*(each.listing.undecodable for each in pages)),
    )


def decode(resource: Resource[T], item: object) -> T | None:
    """One object out of its wire form; None, and a line in the log, when it does not fit."""
    try:
        found = resource.type.model_validate(item)
    except ValidationError as error:
        problems = _problems(error)
    else:
        if is_version(found.metadata.resource_version):
            return found
        problems = [f"metadata.resourceVersion: {found.metadata.resource_version!r} is none"]
    log.error("object.rejected", kind=resource.kind, name=str(ref_of(item)), error=problems)
    return None


def decode_answer(resource: Resource[T], answer: object) -> T:
    """The one object that was asked for.

    Raises:
        Undecodable: it does not fit our type.
    """
    try:
        return resource.type.model_validate(answer)
    except ValidationError as error:
        message = f"{ref_of(answer)}: {'; '.join(_problems(error))}"
        raise Undecodable(0, resource.kind, message) from error


def ref_of(manifest: object) -> Ref:
    """Where an object in wire form belongs, as far as it says so."""
    metadata = manifest.get("metadata") if isinstance(manifest, Mapping) else None
    if not isinstance(metadata, Mapping):
        return Ref("", "")
    return Ref(str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))


def version_of(manifest: object) -> str:
    """The resourceVersion of an object in wire form, "" when it has none."""
    metadata = manifest.get("metadata") if isinstance(manifest, Mapping) else None
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, Mapping) else ""


def labels_of(manifest: object) -> Mapping[str, str] | None:
    """The labels of an object in wire form, None when it is no object that says its version."""
    if not isinstance(manifest, Mapping) or not version_of(manifest):
        return None
    return manifest["metadata"].get("labels") or {}


def is_initial_end(manifest: object) -> bool:
    """Whether a bookmark says that everything that existed at first has been sent."""
    metadata = manifest.get("metadata") if isinstance(manifest, Mapping) else None
    notes = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return isinstance(notes, Mapping) and notes.get(_INITIAL_END) == "true"


def _problems(error: ValidationError) -> list[str]:
    """What is wrong and where, without the values: they may be secret."""
    return [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    ]
