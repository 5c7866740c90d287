"""Fields that nobody has filled in: `…_HERE`, anywhere in what a user writes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kaito.api import labels
from kaito.api.workspace import Workspace

_PLACEHOLDER = re.compile(r"(?<![$({A-Z0-9_])[A-Z][A-Z0-9_]*_HERE\b(?!\})")
"""As in the quick starts; what a shell or kustomize fills in, `${NAME_HERE}`, is none."""
_MARK = "_HERE"
_VARIABLE = re.compile(r"\.env\[[0-9]+\]\.name$")
"""Where the name of an environment variable stands, which is nobody's to fill in."""
_PARTS = {"resource", "inference", "tuning"}
_LIMIT = 5
"""How many fields are named at once."""

_DOCKER_CONFIG = "put the name of a kubernetes.io/dockerconfigjson Secret there"
_REMEDIES = {
    "tuning.output.image": (
        "put the reference to push to there, e.g. myregistry.azurecr.io/adapter:0.0.1"
    ),
    "image": ("put the reference of your image there, e.g. myregistry.azurecr.io/adapter:0.0.1"),
    "imagePushSecret": _DOCKER_CONFIG,
    "imagePullSecrets": _DOCKER_CONFIG,
    "urls": "put the address of your data there",
}
"""What belongs there, by the whole path or by its last name."""
_OTHERWISE = "put your own value there"


def placeholders(workspace: Workspace) -> str:
    """Which fields still hold a placeholder, each with its remedy; "" if none does."""
    if workspace.metadata.annotations.get(labels.BYPASS_PLACEHOLDER_CHECKS) == "true":
        return ""
    # Nearly no Workspace has one: a look at the text is cheaper than a walk through the fields.
    if _MARK not in workspace.model_dump_json(include=_PARTS):
        return ""
    spec = workspace.model_dump(by_alias=True, mode="json", include=_PARTS)
    left = [
        f"{path} holds the placeholder {found.group()}: {_remedy(path)}"
        for path, text in _texts("", spec)
        if (found := _PLACEHOLDER.search(text)) and not _VARIABLE.search(path)
    ]
    more = f"; and {len(left) - _LIMIT} more" if len(left) > _LIMIT else ""
    return "; ".join(left[:_LIMIT]) + more


def _texts(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Every text in a value, with where it stands; keys are names, and nobody's to fill in."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(f"{path}[{number}]", inner)


def _remedy(path: str) -> str:
    """What belongs into a field."""
    last = re.sub(r"\[[0-9]+\]$", "", path).rpartition(".")[2]
    return _REMEDIES.get(path) or _REMEDIES.get(last) or _OTHERWISE
