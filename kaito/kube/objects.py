"""Objects as the API server sends them, narrowed to the fields that are read.

A Kind is a frozen pydantic model that derives from `KubeObject` and names only what
its readers use; the rest of the wire form is dropped before it reaches a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kaito.kube.sharing import Moment, Shared, Words

Manifest = Mapping[str, object]
"""An object on its way to the API server, in wire form."""


class Ref(NamedTuple):
    """Where an object is: its namespace ("" when cluster-scoped) and its name.

    A tuple, because stores and queues hash refs dozens of times for each change.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


_UNTOLD: set[str] = set()


class KubeModel(BaseModel):
    """A frozen value in camelCase on the wire; unknown fields are dropped.

    Which of its fields were told is not kept: pydantic holds a set for each value, which for
    what is read of a Node is half of its memory, and nobody asks.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )

    def model_post_init(self, _context: object, /) -> None:
        """Have all values share one set, which stays empty: copies make one of their own."""
        object.__setattr__(self, "__pydantic_fields_set__", _UNTOLD)


class OwnerReference(KubeModel):
    """The object that this one belongs to."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(KubeModel):
    """The part of metadata that controllers read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    # A factory, because pydantic makes a deep copy of a default that can change.
    labels: Words = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Annotated[OwnerReference, Shared], ...] = ()
    creation_timestamp: Moment | None = None
    deletion_timestamp: Moment | None = None


class Condition(KubeModel):
    """One aspect of an object's state (metav1.Condition; knative's adds `severity`)."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    severity: str = ""
    last_transition_time: Moment | None = None
    observed_generation: int | None = None


class KubeObject(KubeModel):
    """Anything that lives in the API server."""

    metadata: ObjectMeta = Field(default_factory=ObjectMeta)

    @property
    def ref(self) -> Ref:
        """Where this object is."""
        return Ref(self.metadata.namespace, self.metadata.name)

    @property
    def is_deleting(self) -> bool:
        """Whether deletion has been asked for."""
        return self.metadata.deletion_timestamp is not None
