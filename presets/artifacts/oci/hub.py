"""Where addresses of the hub lead: to the hub itself, to a mirror of it, or nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from oci.refusals import Refused

HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
"""By which the public hub is written in addresses."""


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub, as the hub's own libraries are told of it.

    Attributes:
        endpoint: address of a mirror, to which paths are appended; "" for the public hub.
        is_offline: whether it may not be asked at all.
    """

    endpoint: str = ""
    is_offline: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """What the variables `HF_ENDPOINT` and `HF_HUB_OFFLINE` say."""
        offline = environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
        return cls(environ.get("HF_ENDPOINT", "").rstrip("/"), offline)

    def address(self, url: str) -> str:
        """The address to ask in place of one below the public hub; any other as it is."""
        if not self.endpoint or not is_below(url):
            return url
        parts = urlsplit(url)
        return f"{self.endpoint}{urlunsplit(('', '', parts.path, parts.query, ''))}"

    def data_address(self, url: str) -> str:
        """The address to ask for a file of data.

        Raises:
            Refused: it is one of the hub's, which may not be asked.
        """
        if self.is_offline and is_below(url):
            raise Refused(
                "the operator's --hub-offline lets no pod ask the hub",
                "unset it (--hub-endpoint names a mirror), or use tuning.input.image or"
                " volumeSource",
            )
        return self.address(url)


PUBLIC = Hub()
"""The hub itself, which may be asked."""


def is_below(url: str) -> bool:
    """Whether an address is one of the public hub's."""
    return urlsplit(url).hostname in HOSTS
