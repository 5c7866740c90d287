"""Where a Kind lives in the API: group, version, plural, and the type that its objects take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from kaito.kube.objects import KubeObject, Ref

T_co = TypeVar("T_co", bound=KubeObject, covariant=True)


@dataclass(frozen=True, slots=True)
class Resource(Generic[T_co]):
    """A served resource.

    Attributes:
        group: API group, "" for the core group.
        version: served version that is read and written, e.g. "v1".
        plural: lower-case plural name in the path.
        kind: name in `kind`.
        type: model that objects are decoded into.
        namespaced: whether objects live in namespaces.
    """

    group: str
    version: str
    plural: str
    kind: str
    type: type[T_co]
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apiVersion` of an object of this resource."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, ref: Ref | None = None, *, namespace: str = "", subresource: str = "") -> str:
        """URL path of one object, or of the collection when `ref` is None.

        Args:
            ref: the object; its namespace wins over `namespace`.
            namespace: of a collection; "" means all namespaces.
            subresource: e.g. "status".
        """
        prefix = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        where = ref.namespace if ref else namespace
        scope = f"/namespaces/{where}" if self.namespaced and where else ""
        name = f"/{ref.name}" if ref else ""
        tail = f"/{subresource}" if subresource else ""
        return f"{prefix}{scope}/{self.plural}{name}{tail}"
