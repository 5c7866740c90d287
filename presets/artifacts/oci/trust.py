"""Which authorities are trusted: the usual ones, and those of a bundle that the operator names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from oci import report

FILE = "ca.crt"


@contextmanager
def trusted(bundle: Path | None) -> Iterator[str | None]:
    """A file of all authorities, as long as the block lasts.

    Args:
        bundle: PEM file; one that is not there is as good as none, as its ConfigMap is optional.

    Yields:
        The file; None where there is no bundle, so that the usual ones are taken.
    """
    if bundle is None or not bundle.is_file():
        yield None
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as together:
        together.write(Path(DEFAULT_CA_BUNDLE_PATH).read_text(encoding="utf-8"))
        together.write("\n")
        together.write(bundle.read_text(encoding="utf-8"))
        together.flush()
        yield together.name


def write_trust(trust: str | None, folder: Path) -> None:
    """Put what `trusted` has found, or else the usual authorities, into `ca.crt` of a folder.

    It is for programs that know one file of authorities only, and of users that are others.
    """
    made = folder / FILE
    shutil.copyfile(trust or DEFAULT_CA_BUNDLE_PATH, made)
    made.chmod(0o644)
    report.info("authorities.written", file=str(made), with_bundle=trust is not None)
