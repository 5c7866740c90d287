"""Which authorities are trusted: the usual ones, and those of a bundle that the operator names."""

from __future__ import annotations

import tempfile
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH


def trusted(bundle: Path | None) -> str | None:
    """A file of all authorities; None where there is no bundle, so that the usual ones are taken.

    Args:
        bundle: PEM file; one that is not there is as good as none, as its ConfigMap is optional.
    """
    if bundle is None or not bundle.is_file():
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as together:
        together.write(Path(DEFAULT_CA_BUNDLE_PATH).read_text(encoding="utf-8"))
        together.write("\n")
        together.write(bundle.read_text(encoding="utf-8"))
    return together.name
