"""The way to the data: the trainer's download trusts the bundle, and goes through the proxy."""

from __future__ import annotations

import json
import os
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.cache import cache_folder
from kaito.settings import Settings
from tests.wayout import http_server, https_server, proxy

pytestmark = pytest.mark.timeout(60)


class Page(BaseHTTPRequestHandler):
    """No data, so that the trainer ends once it has read it."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def trained(home: Path, url: str, *flags: str, **environment: str) -> tuple[Any, list[Any]]:
    """The last words of a trainer, and its log."""
    home.mkdir()
    note = home / "note"
    note.touch()
    done = subprocess.run(
        [
            *(str(cache_folder() / "inference" / "bin" / "python"), "presets/tuning/trainer.py"),
            *(f"--urls={url}", f"--data-folder={home / 'data'}", f"--work-folder={home / 'work'}"),
            *(f"--output-folder={home}", f"--termination-log={note}", "--port=0", *flags),
        ],
        env={"PATH": os.environ["PATH"], "HOST": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("{")]
    return json.loads(note.read_text()), [json.loads(line) for line in lines]


def test_data_behind_a_private_authority_come_through_the_proxy(tmp_path: Path) -> None:
    with https_server(tmp_path / "outside", Page) as outside, proxy() as way:
        bundle = f"--ca-bundle={outside.authority}"
        url = f"{outside.url}/a.jsonl"
        note, log = trained(tmp_path / "one", url, bundle, HTTPS_PROXY=way.url)
        asked = list(way.asked)
        _, past = trained(tmp_path / "two", url, bundle, HTTPS_PROXY=way.url, NO_PROXY="127.0.0.1")

        assert note["reason"] == "DataUnusable"
        for entries in (log, past):
            assert "data.downloaded" in [entry["event"] for entry in entries]
        assert asked == way.asked == [outside.url.removeprefix("https://")]


def test_data_without_tls_come_through_the_proxy_too(tmp_path: Path) -> None:
    with http_server(Page) as outside, proxy() as way:
        told = dict(Settings(https_proxy=way.url).carrier.environment)
        url = f"{outside}/a.jsonl"
        _, log = trained(tmp_path / "one", url, **told | {"NO_PROXY": ""})
        asked = list(way.asked)
        _, past = trained(tmp_path / "two", url, **told)

        for entries in (log, past):
            assert "data.downloaded" in [entry["event"] for entry in entries]
        assert asked == way.asked == [outside.removeprefix("http://")]


def test_data_below_the_hub_come_from_its_mirror(tmp_path: Path) -> None:
    asked: list[str] = []

    class Mirror(Page):
        """Notes what it is asked for."""

        def do_GET(self) -> None:
            """Answer."""
            asked.append(self.path)
            super().do_GET()

    path = "/datasets/team/tiny/resolve/main/train.jsonl?download=true"
    with http_server(Mirror) as outside:
        _, log = trained(tmp_path / "one", f"https://huggingface.co{path}", HF_ENDPOINT=outside)

    assert "data.downloaded" in [entry["event"] for entry in log]
    assert asked == [path]


def test_data_below_the_hub_are_refused_offline(tmp_path: Path) -> None:
    url = "https://huggingface.co/datasets/team/tiny/resolve/main/train.jsonl"
    with http_server(Page) as outside:
        told = {"HF_ENDPOINT": outside, "HF_HUB_OFFLINE": "1"}
        note, log = trained(tmp_path / "one", f"{url}?sig=hidden", **told)
        _, elsewhere = trained(tmp_path / "two", f"{outside}/a.jsonl", **told)

    assert (note["reason"], note["lasting"]) == ("DataUnavailable", True)
    assert note["message"].startswith(f"tuning.input.urls[0]: {url}: the operator's --hub-offline")
    assert "hidden" not in f"{note}{log}"
    assert "data.downloaded" not in [entry["event"] for entry in log]
    assert "data.downloaded" in [entry["event"] for entry in elsewhere]


def test_without_the_bundle_the_certificate_is_said_to_be_the_reason(tmp_path: Path) -> None:
    with https_server(tmp_path / "outside", Page) as outside:
        note, _ = trained(tmp_path / "one", f"{outside.url}/a.jsonl")

        assert note["reason"] == "DataUnavailable"
        assert "CERTIFICATE_VERIFY_FAILED" in note["message"]
        assert "--ca-bundle" in note["message"]
