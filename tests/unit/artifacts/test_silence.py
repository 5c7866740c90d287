"""What hangs: told with the time that was waited, and never waited for longer than patience."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from oci.check import check
from oci.desk import Desk
from oci.item import Item
from oci.reference import Reference
from oci.refusals import Unreachable
from oci.registry import Patience, Registry

from tests.ociregistry import OciRegistry
from tests.silence import HALF, silent
from tests.unit.artifacts.carrier import Carrier, an_adapter
from tests.wayout import http_server

pytestmark = pytest.mark.timeout(180)

ITEMS: dict[str, dict[str, Any]] = {
    "adapter": {"field": "inference.adapters[0].source.image", "kind": "adapter", "name": "legal"},
    "data": {"field": "tuning.input.image", "kind": "data"},
    "image": {"field": "inference.preset.presetOptions.image", "kind": "image"},
    "push": {"field": "tuning.output.image", "kind": "push"},
}


@pytest.fixture
def quiet() -> Iterator[str]:
    """A server that never answers."""
    with silent() as address:
        yield address


@pytest.mark.parametrize("kind", ITEMS)
def test_a_registry_that_never_answers_is_told_with_its_field_and_the_time_waited(
    carrier: Carrier, quiet: str, kind: str
) -> None:
    done = carrier.run("check", {**ITEMS[kind], "image": f"{quiet}/team/a:1"}, retry_seconds=1)

    assert done.code == 1
    assert done.note.startswith(f"{ITEMS[kind]['field']}: {quiet}/team/a:1: {quiet} cannot be")
    assert "reached: it gave no answer within 1 s: check the host's name" in done.note


def test_a_pull_from_a_registry_that_never_answers_ends_too(
    carrier: Carrier, quiet: str, tmp_path: Path
) -> None:
    (tmp_path / "adapters").mkdir()
    item = {**ITEMS["adapter"], "image": f"{quiet}/team/a:1"}

    done = carrier.run("pull", item, to=tmp_path / "adapters", retry_seconds=1)

    assert done.code == 1
    assert "it gave no answer within 1 s" in done.note


def test_every_item_is_told_of(carrier: Carrier, quiet: str) -> None:
    items = [{**each, "image": f"{quiet}/team/a:1"} for each in ITEMS.values()]

    done = carrier.run("check", *items, retry_seconds=1)

    assert [each["field"] in done.note for each in ITEMS.values()] == [True] * len(ITEMS)
    assert done.note.count("it gave no answer within 1 s") == len(ITEMS)


def test_what_was_not_looked_at_for_want_of_time_is_named(tmp_path: Path) -> None:
    hours = iter(range(0, 36000, 3600))
    patience = Patience(0, clock=lambda: float(next(hours)))
    desk = Desk(secrets=tmp_path, trust=None, patience=patience, scratch=tmp_path)
    items = [Item(each["field"], each["kind"], image="no reference") for each in ITEMS.values()]

    wrong = check(desk, items)

    first, *others = (each["field"] for each in ITEMS.values())
    assert wrong[0].startswith(f"{first}: ")
    assert wrong[1:] == [f"not looked at, for want of time: {', '.join(others)}"]


@pytest.mark.parametrize(
    ("begun", "said"),
    [(b"", "it gave no answer within 3 s"), (HALF, "it fell silent in the middle of its answer")],
)
def test_a_server_of_data_that_hangs_is_told_too(carrier: Carrier, begun: bytes, said: str) -> None:
    with silent(begun=begun) as address:
        url = f"http://{address}/train.json"
        item = {"field": "tuning.input.urls[0]", "kind": "url", "url": url}

        done = carrier.run("check", item, retry_seconds=3)

    assert done.code == 1
    assert done.note.startswith(f"tuning.input.urls[0]: {url}: {url} cannot be reached: {said}: ")


async def test_a_registry_that_stands_still_for_a_while_costs_nothing_but_that(
    own: OciRegistry, tmp_path: Path
) -> None:
    carrier = Carrier(own, tmp_path)
    source = an_adapter(tmp_path / "source")
    own.signal(signal.SIGSTOP)
    refused = carrier.run(
        "push", carrier.item("late:1", kind="image"), folder=source, retry_seconds=1
    )
    own.signal(signal.SIGCONT)
    done = carrier.push(source, "late:1")

    assert refused.code == 1
    assert "it gave no answer within 1 s" in refused.note
    assert done.code == 0, done.note


@pytest.mark.parametrize("path", ["elsewhere", "token"])
def test_another_host_than_the_named_one_is_told_where_that_is_silent(
    carrier: Carrier, path: str
) -> None:
    with silent() as mute, http_server(leading(mute.replace("127.0.0.1", "localhost"))) as url:
        item = {"field": "tuning.input.urls[0]", "kind": "url", "url": f"{url}/{path}"}
        reference = Reference.parse(f"{urlsplit(url).netloc}/team/a:1")
        registry = Registry(reference, (), patience=Patience(1))
        registry.prefix = "http"

        done = carrier.run("check", item, retry_seconds=1)
        with pytest.raises(Unreachable) as refused:
            registry.do_request(registry.url(path))

    words = "cannot be reached: it gave no answer within 1 s (asked: localhost): check"
    assert (words in done.note) == (path == "elsewhere")
    assert f"{reference.host} {words}" in str(refused.value)


def leading(mute: str) -> type[BaseHTTPRequestHandler]:
    """Handler of a server that leads to another, which is silent."""

    class Leading(BaseHTTPRequestHandler):
        """Sends everybody away."""

        def do_GET(self) -> None:
            """For a token, or for the thing itself."""
            if self.path.endswith("/token"):
                self.send_response(401)
                self.send_header("WWW-Authenticate", f'Bearer realm="http://{mute}/",service="s"')
            else:
                self.send_response(307)
                self.send_header("Location", f"http://{mute}/blob.json")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Leading
