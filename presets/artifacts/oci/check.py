"""The verb check: whether everything that a Workspace needs can be had, before a node is bought."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import requests

from lora.adapter import Adapter
from oci import answers, report
from oci.desk import Desk
from oci.item import FieldRefused, Item, naming
from oci.manifests import contents
from oci.pull import fetch_adapter
from oci.refusals import Refused
from oci.registry import TIMEOUTS
from oci.upload import begin, cancel

WHOLE_BYTES = 512 << 20
"""An adapter up to this size is fetched and looked into; of a larger one only the manifest is."""
HEAD_BYTES = 4096
_PARQUET = b"PAR1"
_JSON = (b"{", b"[")


def check(desk: Desk, items: Iterable[Item]) -> list[str]:
    """Check each item; what is wrong, a line each."""
    wrong = []
    for item in items:
        try:
            with naming(item):
                _CHECKS[item.kind](desk, item)
        except FieldRefused as refused:
            report.error("item.refused", field=item.field, reason=str(refused))
            wrong.append(str(refused))
        else:
            report.info("item.checked", field=item.field, source=item.source)
    return wrong


def _check_adapter(desk: Desk, item: Item) -> None:
    """It is there, and an adapter."""
    if item.image:
        registry = desk.registry(item.image, item.secrets)
        if contents(registry).size > WHOLE_BYTES:
            return
    with tempfile.TemporaryDirectory(dir=desk.scratch) as scratch:
        folder = Path(scratch) / "adapter"
        fetch_adapter(desk, item, folder)
        Adapter.load(folder)


def _check_image(desk: Desk, item: Item) -> None:
    """It is there, and the account may pull it."""
    contents(desk.registry(item.image, item.secrets))


def _check_push(desk: Desk, item: Item) -> None:
    """The account may push: an upload is begun and given up again."""
    registry = desk.registry(item.image, item.secrets)
    cancel(registry, begin(registry))


def _check_url(desk: Desk, item: Item) -> None:
    """It answers, and what it begins with is parquet or JSON."""
    try:
        with requests.get(
            item.url,
            headers={"Range": f"bytes=0-{HEAD_BYTES - 1}"},
            stream=True,
            timeout=TIMEOUTS,
            verify=desk.trust or True,
        ) as response:
            if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                raise Refused(
                    f"its server answers {answers.words(response)}",
                    "check the address: it must be the file itself, without a login",
                )
            start = next(response.iter_content(HEAD_BYTES), b"")
            kind = response.headers.get("Content-Type", "no type")
    except requests.exceptions.RequestException as error:
        if answers.is_untrusted(error):
            raise answers.untrusted(item.url, error) from error
        raise answers.unreachable(item.url, answers.cause(error)) from error
    _check_start(item.url, start, kind)


def _check_start(url: str, start: bytes, kind: str) -> None:
    """What a data set begins with is parquet, JSON or CSV, as its trainer will find it."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    is_csv = urlsplit(url).path.lower().endswith(".csv") and not text.startswith(b"<")
    if not start.startswith(_PARQUET) and not text.startswith(_JSON) and not (text and is_csv):
        raise Refused(
            f"it is neither parquet, JSON nor CSV ({kind}, and begins with {start[:20]!r})",
            "give the address of the file itself: .parquet, .json, .jsonl or .csv",
        )


_CHECKS: Mapping[str, Callable[[Desk, Item], None]] = {
    "adapter": _check_adapter,
    "data": _check_image,
    "image": _check_image,
    "push": _check_push,
    "url": _check_url,
}
