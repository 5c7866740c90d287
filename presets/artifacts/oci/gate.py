"""Whether the hub, or its mirror, opens a model to the user's token, or without one."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

import requests

from oci import answers
from oci.address import shown
from oci.desk import Desk
from oci.item import Item
from oci.refusals import Denied, Refused

KEY = "HF_TOKEN"
_WORD = re.compile(rb"[!-~]+")
"""A header with anything else is refused by a library that shows it."""


def check_opened(desk: Desk, item: Item) -> None:
    """A file of the model may be had with the token of the item's Secret, if it has one.

    Raises:
        Refused: it may not, there is no token, or the hub does not answer.
    """
    secret = "".join(item.secrets)
    headers = {"Authorization": f"Bearer {_token(desk.secrets / secret)}"} if secret else {}
    url = desk.hub.address(item.url)
    hub = "the hub" if url == item.url else f"the hub's mirror, at {shown(url)},"
    try:
        with desk.asked("HEAD", url, headers) as response:
            status, said = response.status_code, _words(response)
    except requests.exceptions.RequestException as error:
        raise answers.failure(shown(url), error) from error
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and not secret:
        raise Denied(
            f"{hub} answers {said} without a token",
            f"name a Secret there whose key {KEY} holds one, of an account that has accepted the"
            " model's terms",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Denied(
            f"{hub} answers {said} to the token of Secret {secret}",
            "accept the model's terms on its page with the token's account, or put another token"
            f" into the key {KEY}",
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Refused(f"{hub} answers {said}", "ask whoever runs it what that means")


def _words(response: requests.Response) -> str:
    """An answer without a body in one line, with what the hub says in its header."""
    said = response.headers.get("X-Error-Message", "")
    return answers.words(response) + (f" ({said[:200]})" if said else "")


def _token(folder: Path) -> str:
    """The token of a mounted Secret.

    Raises:
        Denied: there is none, or no header can hold it; the message does not.
    """
    file = folder / KEY
    if not file.is_file():
        raise Denied(
            f"there is no Secret {folder.name} in the Workspace's namespace, or it has no key"
            f" {KEY}",
            f"kubectl create secret generic {folder.name} --from-literal={KEY}=…",
        )
    token = file.read_bytes().strip()
    if not _WORD.fullmatch(token):
        raise Denied(
            f"the key {KEY} of Secret {folder.name} holds no token",
            "put one there, a word without spaces: the hub's page for tokens makes it",
        )
    return token.decode("ascii")
