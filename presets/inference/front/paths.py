"""Which paths there are: those of our contract. vLLM has more, and some of them know no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.guard import Scope

MODELS = "/v1/models"
OWN = frozenset({"/chat", "/healthz"})
"""Answered by the front, and so is each model below `MODELS`."""
GENERATING = frozenset({"/v1/completions", "/v1/chat/completions"})
"""Where vLLM generates what is asked for with POST."""
PASSED = GENERATING | {MODELS, "/health", "/version", "/metrics", "/openapi.json"}
"""Answered by vLLM; any other path is none."""


def path_of(scope: Scope) -> str:
    """A request's path, without what `--root-path` puts before all of them."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_own(path: str) -> bool:
    """Whether the front answers it."""
    return path in OWN or path.startswith(f"{MODELS}/")


def is_generating(scope: Scope) -> bool:
    """Whether a request has texts generated."""
    asks: bool = scope["type"] == "http" and scope["method"] == "POST"
    return asks and path_of(scope) in GENERATING
