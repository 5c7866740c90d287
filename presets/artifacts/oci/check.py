"""The verb check: whether everything that a Workspace needs can be had, before a node is bought."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests

from lora.adapter import Adapter
from oci import answers, report
from oci.address import shown
from oci.dataset import HEAD_BYTES, below_data, form_of, is_named
from oci.desk import Desk
from oci.gate import check_opened
from oci.item import FieldRefused, Item, naming
from oci.layers import members
from oci.manifests import contents
from oci.pull import fetch_adapter
from oci.refusals import Refused
from oci.upload import begin, cancel

WHOLE_BYTES = 512 << 20
"""What is up to this size is fetched and looked into; of a larger one only the manifest is."""
LISTED = 10
"""Files that are named where none is data."""
LONG_SECONDS = 60.0
"""After it, what is wrong already is said: the pod that checks has not for ever."""


def check(desk: Desk, items: Iterable[Item]) -> list[str]:
    """Check each item; what is wrong, a line each, and last what there was no time for."""
    wrong: list[str] = []
    skipped: list[str] = []
    until = desk.patience.clock() + LONG_SECONDS
    for item in items:
        if wrong and desk.patience.clock() >= until:
            report.error("item.skipped", field=item.field)
            skipped.append(item.field)
            continue
        try:
            with naming(item):
                _CHECKS[item.kind](desk, item)
        except FieldRefused as refused:
            report.error("item.refused", field=item.field, reason=str(refused))
            wrong.append(str(refused))
        else:
            report.info("item.checked", field=item.field, source=item.source)
    if skipped:
        wrong.append(f"not looked at, for want of time: {', '.join(skipped)}")
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


def _check_data(desk: Desk, item: Item) -> None:
    """It is there, and its first file of data begins as such; the trainer looks at the others.

    Of a large one only the manifest is looked at.
    """
    registry = desk.registry(item.image, item.secrets)
    found = contents(registry)
    if found.size > WHOLE_BYTES:
        return
    others: list[str] = []
    with tempfile.TemporaryDirectory(dir=desk.scratch) as scratch:
        for member in members(registry, found, Path(scratch)):
            path = below_data(member.path)
            if path is None:
                continue
            if is_named(path):
                _check_member(path, member.file.read(HEAD_BYTES))
                return
            others.append(str(path))
    held = f"it holds: {', '.join(others[:LISTED])}" if others else "it holds no file there"
    raise Refused(
        f"no file under /data is .parquet, .json, .jsonl, .ndjson or .csv; {held}",
        "copy the data set to /data of the image",
    )


def _check_member(path: PurePosixPath, start: bytes) -> None:
    """The first file of data is of the form that its trainer reads."""
    if form_of(path, start) is None:
        raise Refused(
            f"/data/{path} is neither parquet, JSON nor CSV (it begins with {start[:20]!r})",
            "copy the files of the data set itself to /data of the image",
        )


def _check_push(desk: Desk, item: Item) -> None:
    """The account may push: an upload is begun and given up again."""
    registry = desk.registry(item.image, item.secrets)
    cancel(registry, begin(registry))


def _check_url(desk: Desk, item: Item) -> None:
    """It answers, and what it begins with is parquet or JSON."""
    url = desk.hub.data_address(item.url)
    server = "its server" if url == item.url else f"the hub's mirror, at {shown(url)},"
    try:
        with desk.asked("GET", url, {"Range": f"bytes=0-{HEAD_BYTES - 1}"}) as response:
            if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                raise Refused(
                    f"{server} answers {answers.words(response)}",
                    "check the address: it must be the file itself, without a login",
                )
            start = next(response.iter_content(HEAD_BYTES), b"")
            kind = response.headers.get("Content-Type", "no type")
    except requests.exceptions.RequestException as error:
        raise answers.failure(shown(url), error) from error
    if form_of(PurePosixPath(urlsplit(item.url).path), start) is None:
        raise Refused(
            f"it is neither parquet, JSON nor CSV ({kind}, and begins with {start[:20]!r})",
            "give the address of the file itself: .parquet, .json, .jsonl, .ndjson or .csv",
        )


_CHECKS: Mapping[str, Callable[[Desk, Item], None]] = {
    "adapter": _check_adapter,
    "data": _check_data,
    "image": _check_image,
    "model": check_opened,
    "push": _check_push,
    "url": _check_url,
}
