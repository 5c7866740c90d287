"""What a person is told of an object that has lost labels that it was made with. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kaito.kube.objects import KubeObject
from kaito.kube.resource import Resource


def relabelling(
    resource: Resource[KubeObject], found: KubeObject, labels: Mapping[str, str]
) -> str:
    """The sentence, with the command that gives it those labels back."""
    metadata = found.metadata
    place = f" --namespace={metadata.namespace}" if metadata.namespace else ""
    plural = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    words = " ".join(f"{key}={value}" for key, value in labels.items())
    return (
        f"{resource.kind} {metadata.name} has lost labels that it was made with: `kubectl"
        f" label --overwrite {plural} {metadata.name}{place} {words}`"
    )
