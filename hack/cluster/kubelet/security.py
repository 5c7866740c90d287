"""As whom a container runs. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hack.cluster.kubelet.fields import Unresolvable
from hack.cluster.kubelet.pod import Container, Pod


@dataclass(frozen=True, slots=True)
class Identity:
    """User and group that a container's processes see themselves as."""

    uid: int
    gid: int


def identity(pod: Pod, container: Container, image_user: int) -> Identity:
    """The container's own context wins over the pod's, and that over the image.

    Raises:
        Unresolvable: root although the pod says runAsNonRoot.
    """
    own, shared = container.security_context, pod.spec.security_context
    uid = _first(own.run_as_user, shared.run_as_user, image_user)
    gid = _first(own.run_as_group, shared.run_as_group, uid if uid == image_user else 0)
    non_root = own.run_as_non_root
    if non_root is None:
        non_root = shared.run_as_non_root
    if non_root and uid == 0:
        raise Unresolvable("container has runAsNonRoot and image will run as root")
    return Identity(uid, gid)


def _first(*values: int | None) -> int:
    return next((value for value in values if value is not None), 0)
