"""One repository of one registry, over oras: its requests, with our patience and our accounts.

oras knows the protocol. What is ours is how a request is repeated: oras tries a wrong password
five times in two minutes, and uses one token for every scope.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests
from oras.container import Container
from oras.provider import Registry as OrasRegistry

from oci import answers
from oci.accounts import Account
from oci.reference import Reference

CONNECT_SECONDS = 10.0
"""Longest wait for a connection."""
SILENCE_SECONDS = 60.0
"""Longest wait for the next bytes of an answer."""
TRIES = 3
"""How many silent answers a patience is shared among."""
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 8.0
BUSY = frozenset({408, 429, 500, 502, 503, 504})
DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a registry may fail to answer.

    Attributes:
        seconds: in all, for one request, from its first try on; 0 asks once.
        pause: sleeps for some seconds.
        clock: seconds that only go on.
        least: seconds that an answer has at least, where the patience is not shorter.
    """

    seconds: float = 180.0
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    least: float = 5.0

    @property
    def timeouts(self) -> tuple[float, float]:
        """Seconds for a connection, and for the next bytes.

        One silence is a third of the patience, so that it is not the end, and never outlasts it.
        """
        longest = min(self.seconds or SILENCE_SECONDS, SILENCE_SECONDS)
        share = self.seconds / TRIES if self.seconds else longest
        silence = min(max(share, self.least), longest)
        return min(silence, CONNECT_SECONDS), silence

    def pauses(self) -> Iterator[float]:
        """The pauses between tries, each twice the one before, until the time is over.

        What was waited for in vain counts, from this call on, as the pauses do.
        """
        return self._pauses(self.clock())

    def _pauses(self, began: float) -> Iterator[float]:
        spent, following = self.clock() - began, FIRST_PAUSE_SECONDS
        while spent < self.seconds:
            yield following
            spent = max(spent + following, self.clock() - began)
            following = min(2 * following, LONGEST_PAUSE_SECONDS)


def patiently(patience: Patience, ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask, and ask again as long as nobody answers or the server is busy.

    Args:
        patience: how long.
        ask: one request.

    Returns:
        The answer; the last one where the server is still busy when patience is over.

    Raises:
        RequestException: nobody has answered; or its certificate is not trusted, at once.
    """
    pauses = patience.pauses()
    while True:
        after = 0.0
        try:
            response = ask()
        except requests.exceptions.RequestException as error:
            pause = None if answers.is_final(error) else next(pauses, None)
            if pause is None:
                raise
        else:
            pause = next(pauses, None) if response.status_code in BUSY else None
            if pause is None:
                return response
            after = answers.retry_after(response)
            response.close()
        patience.pause(min(max(pause, after), LONGEST_PAUSE_SECONDS))


class Registry(OrasRegistry):  # type: ignore[misc]  # oras has no types
    """The registry of one reference.

    Attributes:
        reference: what is asked for.
        accounts: tried one after the other.
        patience: how long it may fail to answer.
    """

    def __init__(
        self,
        reference: Reference,
        accounts: Sequence[Account],
        *,
        trust: str | None = None,
        patience: Patience = Patience(),
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            reference: what is asked for.
            accounts: who asks; nobody where there is none.
            trust: file of the authorities that are trusted; None for the usual ones.
            patience: how long it may fail to answer.
        """
        super().__init__(hostname=reference.server, tls_verify=trust or True)
        self.reference = reference
        self.accounts = tuple(accounts)
        self.patience = patience
        self._trust = trust or True
        self._authorization: str | None = None

    @property
    def container(self) -> Container:
        """The reference as oras names it."""
        one = self.reference
        mark = "@" if one.digest else ":"
        return Container(f"{one.server}/{one.repository}{mark}{one.version}")

    def url(self, path: str) -> str:
        """Address of something of the repository, e.g. "blobs/uploads/"."""
        return f"{self.prefix}://{self.reference.server}/v2/{self.reference.repository}/{path}"

    def do_request(self, url: str, method: str = "GET", **sent: Any) -> requests.Response:
        """Ask, and ask again as long as the registry does not answer or is busy.

        Raises:
            Unreachable: patience is over.
            Untrusted: its certificate is of no authority that is trusted.
        """
        try:
            response = patiently(self.patience, lambda: self._ask(method, url, sent))
        except requests.exceptions.RequestException as error:
            raise answers.failure(self.reference.host, error) from error
        if response.status_code in BUSY:
            raise answers.unreachable(self.reference.host, answers.words(response))
        return response

    def attempt(self, url: str, method: str, **sent: Any) -> requests.Response | None:
        """Ask once; None where nobody answers, or the registry is busy.

        Raises:
            Untrusted: its certificate is of no authority that is trusted.
        """
        try:
            response = self._ask(method, url, sent)
        except requests.exceptions.RequestException as error:
            if answers.is_untrusted(error):
                raise answers.untrusted(self.reference.host, error) from error
            return None
        return None if response.status_code in BUSY else response

    def _ask(self, method: str, url: str, sent: dict[str, Any]) -> requests.Response:
        """Ask once; where the registry wants to know who asks, with each account in turn."""
        response = self._send(method, url, sent, self._authorization)
        challenge = response.headers.get("WWW-Authenticate", "")
        if response.status_code not in DENIED or not challenge:
            return response
        for account in (*self.accounts, *(() if self.accounts else (None,))):
            authorization = self._authorized(challenge, account)
            if authorization is None:
                continue
            response = self._send(method, url, sent, authorization)
            if response.status_code not in DENIED:
                self._authorization = authorization
                break
        return response

    def _send(
        self, method: str, url: str, sent: dict[str, Any], authorization: str | None
    ) -> requests.Response:
        headers = dict(sent.get("headers") or {})
        if authorization and url.startswith(f"{self.prefix}://{self.reference.server}/"):
            headers["Authorization"] = authorization
        response: requests.Response = self.session.request(
            method,
            url,
            **{**sent, "headers": headers},
            timeout=self.patience.timeouts,
            verify=self._trust,
        )
        return response

    def _authorized(self, challenge: str, account: Account | None) -> str | None:
        """The header that answers a challenge; None where nobody is there to answer it."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            return account.basic if account else None
        known = dict(_PARAMETER.findall(rest))
        wanted = {name: known[name] for name in ("service", "scope") if name in known}
        headers = {"Authorization": account.basic} if account else {}
        answer = self.session.get(
            known.get("realm", ""),
            params=wanted,
            headers=headers,
            timeout=self.patience.timeouts,
            verify=self._trust,
        )
        if answer.status_code in BUSY:
            raise requests.exceptions.ConnectionError(answers.words(answer), response=answer)
        if answer.status_code != HTTPStatus.OK:
            return None
        token = answer.json().get("token") or answer.json().get("access_token")
        return f"Bearer {token}"
