"""Addresses as people may read them: in logs, messages and statuses."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(address: str) -> str:
    """An address without its query and its account, where secrets are."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
