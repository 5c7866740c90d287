"""Images that cannot be had: what a kubelet says of them, and the remedy. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from kaito.api.reasons import Reason
from kaito.kube.kinds import ContainerStatus, ContainerWaiting
from kaito.kube.messages import excerpt
from kaito.workloads.cause import Cause
from kaito.workloads.image import registry_setting

PULL = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Why a container waits whose image is not there."""

_BACK_OFF = re.compile(r'^Back-off pulling image "[^"]*"(: ErrImagePull: )?')
_GRACE = timedelta(seconds=60)
"""How long a registry may be away before a pull counts as failed for good."""


def pull_cause(
    container: ContainerStatus,
    waiting: ContainerWaiting,
    *,
    where: str,
    since: datetime | None,
    now: datetime,
) -> Cause:
    """An image that cannot be had.

    While it backs off, a kubelet older than 1.32 does not say why: an earlier look knew.
    """
    said = excerpt(_BACK_OFF.sub("", waiting.message).strip())
    until = since + _GRACE if since else now
    subject = f"{where} cannot pull {container.image or 'its image'}: "
    return Cause(
        Reason.IMAGE_PULL_ERROR,
        f"{subject}{said or waiting.reason}: {_remedy(container.image)}",
        lasting=now >= until,
        until=until,
        subject="" if said else subject,
    )


def _remedy(image: str) -> str:
    """What to do about an image that cannot be had."""
    if setting := registry_setting(image):
        return f"no registry is named: set {setting} of the operator (docs/guides/aks.md)"
    return (
        "check the image's name and tag, that the node reaches the registry, and the pull secrets"
    )
