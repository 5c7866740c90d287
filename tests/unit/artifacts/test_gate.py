"""The hub opens a model to the user's token, or the one line says why it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler

import pytest

from tests.unit.artifacts.carrier import Carrier, run
from tests.wayout import http_server

pytestmark = pytest.mark.timeout(120)

FIELD = "inference.preset.presetOptions.modelAccessSecret"
PATH = "/team/gated/resolve/main/config.json"
GOOD, BAD = "hf_good", "hf_bad"


class Hub(BaseHTTPRequestHandler):
    """A gated model, as the hub's libraries ask for its files."""

    def do_HEAD(self) -> None:
        """200 to the token that was let in, 403 to another, 500 to one that breaks it."""
        token = (self.headers["Authorization"] or "").removeprefix("Bearer ")
        found = {GOOD: 200, "hf_ill": 503}.get(token, 403)
        self.send_response(found if self.path == PATH else 404)
        if found == 403:
            self.send_header("X-Error-Message", "Access to model team/gated is restricted")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """Address of a mirror with the gated model."""
    with http_server(Hub) as url:
        yield url


def asked(
    carrier: Carrier, hub: str, token: str | None, *, secrets: Sequence[str] = ("hub",)
) -> tuple[int, str, str]:
    """Exit code, the last words and the whole log of a look with this token in the Secret."""
    folder = carrier.secrets / "hub"
    folder.mkdir(exist_ok=True)
    (folder / "HF_TOKEN").unlink(missing_ok=True)
    if token is not None:
        (folder / "HF_TOKEN").write_text(token)
    url = f"https://huggingface.co{PATH}"
    item = {"field": FIELD, "kind": "model", "url": url, "secrets": list(secrets)}
    note = carrier.folder / "note"
    note.write_text("")
    code, log = run(carrier.command("check", item), HF_ENDPOINT=hub)
    return code, note.read_text(), str(log)


@pytest.mark.parametrize("token", [GOOD, f"{GOOD}\n"])
def test_a_token_that_was_let_in_opens_the_model(carrier: Carrier, hub: str, token: str) -> None:
    assert asked(carrier, hub, token)[:2] == (0, "")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, ("there is no Secret hub", "kubectl create secret generic hub --from-literal=HF_T")),
        (BAD, ("answers 403", "Access to model team/gated is restricted", "accept the model")),
        ("hf ill\r\nX-Evil: 1", ("holds no token",)),
        ("hf_ill", ("answers 503",)),
    ],
)
def test_any_other_is_told_with_its_remedy_and_never_shown(
    carrier: Carrier, hub: str, token: str | None, words: tuple[str, ...]
) -> None:
    code, note, log = asked(carrier, hub, token)

    assert code == 1
    assert note.startswith(f"{FIELD}: https://huggingface.co{PATH}: ")
    assert [word for word in words if word not in note] == []
    assert token is None or (token not in note + log and "Evil" not in note + log)


def test_a_model_that_asks_for_a_token_is_told_where_none_is_named(
    carrier: Carrier, hub: str
) -> None:
    code, note, _ = asked(carrier, hub, GOOD, secrets=())

    assert code == 1
    assert "without a token: name a Secret there whose key HF_TOKEN holds one" in note


def test_a_hub_that_is_not_there_is_told_like_any_address(carrier: Carrier) -> None:
    with http_server(Hub) as gone:
        pass

    code, note, _ = asked(carrier, gone, GOOD)

    assert code == 1
    assert "Connection refused" in note
