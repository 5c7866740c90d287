"""The way to a registry and to data: through a proxy, and trusted by a bundle of one's own."""

from __future__ import annotations

import ssl
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from kaito.settings import Settings
from tests.unit.artifacts.carrier import Carrier, an_adapter, run
from tests.wayout import http_server, https_server, proxy

pytestmark = pytest.mark.timeout(60)


class Data(BaseHTTPRequestHandler):
    """One line of JSON."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"text": "a"}\n')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("verb", ["pull", "push", "check"])
def test_every_verb_reaches_a_registry_through_the_proxy(carrier: Carrier, verb: str) -> None:
    source = an_adapter(carrier.folder / "source")
    carrier.push(source, f"by-{verb}:1")
    (carrier.folder / "to").mkdir()
    kinds = {"pull": "adapter", "push": "image", "check": "push"}
    options = {"pull": {"to": carrier.folder / "to"}, "push": {"folder": source}}
    item = carrier.item(f"by-{verb}:1", kind=kinds[verb])
    command = carrier.command(verb, item, **options.get(verb, {}))

    with proxy() as way:
        code, log = run(command, HTTPS_PROXY=way.url)
        through = set(way.asked)
        way.asked.clear()
        direct, _ = run(command, HTTPS_PROXY=way.url, NO_PROXY="10.0.0.0/8,127.0.0.1")

        assert (code, direct) == (0, 0), log
        assert through == {carrier.registry.address}
        assert way.asked == []


def test_data_behind_a_private_authority_are_checked_through_the_proxy(
    carrier: Carrier, tmp_path: Path
) -> None:
    with https_server(tmp_path / "outside", Data) as outside, proxy() as way:
        item = {"field": "tuning.input.urls[0]", "kind": "url", "url": f"{outside.url}/a.jsonl"}
        bundled = carrier.command("check", item, ca_bundle=outside.authority)
        code, log = run(bundled, HTTPS_PROXY=way.url)
        refused, said = run(carrier.command("check", item))

        assert code == 0, log
        assert way.asked == [outside.url.removeprefix("https://")]
        assert refused == 1
        assert "is not trusted" in str(said[-1]["reason"])


def test_data_without_tls_are_checked_through_the_proxy_too(carrier: Carrier) -> None:
    with http_server(Data) as outside, proxy() as way:
        item = {"field": "tuning.input.urls[0]", "kind": "url", "url": f"{outside}/a.jsonl"}
        told = dict(Settings(https_proxy=way.url).carrier.environment)
        code, log = run(carrier.command("check", item), **told | {"NO_PROXY": ""})
        through = list(way.asked)
        direct, _ = run(carrier.command("check", item), **told)

        assert (code, direct) == (0, 0), log
        assert through == way.asked == [outside.removeprefix("http://")]


DATA = "https://huggingface.co/datasets/team/tiny/resolve/main/train.jsonl?sig=secret"


def test_data_below_the_hub_are_checked_at_the_mirror_and_offline_nowhere(
    carrier: Carrier,
) -> None:
    command = carrier.command("check", {"field": "f", "kind": "url", "url": DATA})
    asked: list[str] = []

    class Mirror(Data):
        """Notes what it is asked for, and has one file."""

        def do_GET(self) -> None:
            """Answer what is there, and 404 to anything else."""
            asked.append(self.path)
            if not self.path.startswith("/hub/datasets/team/tiny/resolve/"):
                self.send_error(404)
                return
            super().do_GET()

    with http_server(Mirror) as outside:
        code, log = run(command, HF_ENDPOINT=f"{outside}/hub/")
        missing, why = run(command, HF_ENDPOINT=outside.replace("//", "//user:secret@"))
        offline, said = run(command, HF_ENDPOINT=outside, HF_HUB_OFFLINE="1")

    path = DATA.removeprefix("https://huggingface.co")
    assert (code, missing, offline) == (0, 1, 1), log
    assert asked == [f"/hub{path}", path]
    place = path.partition("?")[0]
    assert f"the hub's mirror, at {outside}{place}, answers 404" in str(why[-1]["reason"])
    assert "secret" not in str([*log, *why, *said])
    assert "--hub-offline" in str(said[-1]["reason"])


def authorities(file: Path | str) -> set[bytes]:
    """Certificates that a file holds, as OpenSSL reads it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(file)
    return set(context.get_ca_certs(binary_form=True))


def test_a_bundle_is_written_together_with_the_usual_authorities(
    carrier: Carrier, tmp_path: Path
) -> None:
    usual = authorities(DEFAULT_CA_BUNDLE_PATH)
    own = authorities(carrier.authority)
    for number, bundle in enumerate((carrier.authority, tmp_path / "of-no-config-map")):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = carrier.run("trust", to=folder, ca_bundle=bundle)

        assert (done.code, done.note) == (0, "")
        expected = usual | own if number == 0 else usual
        assert authorities(folder / "ca.crt") == expected
        assert (folder / "ca.crt").stat().st_mode & 0o777 == 0o644
    assert not own & usual


def test_nothing_is_left_in_the_folder_for_what_is_under_way(
    carrier: Carrier, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    left.mkdir()

    code, log = run(carrier.command("trust", to=tmp_path), TMPDIR=str(left))

    assert code == 0, log
    assert log[-1]["with_bundle"] is True
    assert list(left.iterdir()) == []
