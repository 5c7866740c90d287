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

T = TypeVar("T", bound=KubeObject)

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
class Page:
    """One page of a list, as it came; `token` asks for the next, "" is the last."""

    items: tuple[object, ...]
    resource_version: str
    token: str


def page(answer: Any) -> Page:
    """The page in a decoded answer.

    Raises:
        Undecodable: it is not a list.
    """
    try:
        metadata = answer["metadata"]
        return Page(
            items=tuple(answer.get("items") or ()),
            resource_version=metadata.get("resourceVersion", ""),
            token=metadata.get("continue", ""),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise Undecodable(0, "NotAList", repr(answer)[:200]) from error


def listing(resource: Resource[T], pages: Sequence[Page]) -> Listing[T]:
    """The collection that the pages make; its version is the first page's."""
    items: list[T] = []
    undecodable: set[Ref] = set()
    for item in (item for each in pages for item in each.items):
        found = decode(resource, item)
        if found is None:
            undecodable.add(ref_of(item))
        else:
            items.append(found)
    return Listing(tuple(items), pages[0].resource_version, frozenset(undecodable))


def decode(resource: Resource[T], item: object) -> T | None:
    """One object out of its wire form; None, and a line in the log, when it does not fit."""
    try:
        return resource.type.model_validate(item)
    except ValidationError as error:
        problems = _problems(error)
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


def _problems(error: ValidationError) -> list[str]:
    """What is wrong and where, without the values: they may be secret."""
    return [
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    ]
