"""What all verbs share: the secrets, the trust and the patience that everybody is asked with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from oci.accounts import accounts_for
from oci.hub import PUBLIC, Hub
from oci.reference import Reference
from oci.registry import Patience, Registry, patiently


@dataclass(frozen=True, slots=True)
class Desk:
    """How registries are asked.

    Attributes:
        secrets: folder with a folder for each mounted Secret.
        trust: file of the authorities that are trusted; None for the usual ones.
        patience: how long one may fail to answer.
        scratch: folder for what is under way.
        hub: where addresses of the hub lead.
    """

    secrets: Path
    trust: str | None
    patience: Patience
    scratch: Path
    hub: Hub = PUBLIC

    def registry(self, image: str, secrets: Iterable[str]) -> Registry:
        """The registry of a reference, with the accounts of these Secrets.

        Raises:
            Refused: it is no reference, or a Secret is missing.
        """
        reference = Reference.parse(image)
        accounts = accounts_for(reference, [self.secrets / name for name in secrets])
        return Registry(reference, accounts, trust=self.trust, patience=self.patience)

    def asked(self, method: str, url: str, headers: Mapping[str, str]) -> requests.Response:
        """The answer of an address that is no registry's; its body comes as it is read.

        Raises:
            RequestException: there is none, and patience is over.
        """
        return patiently(
            self.patience,
            lambda: requests.request(
                method,
                url,
                headers=headers,
                stream=True,
                allow_redirects=method != "HEAD",
                timeout=self.patience.timeouts,
                verify=self.trust or True,
            ),
        )
