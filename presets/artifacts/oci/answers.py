"""What a registry's answers mean, in words, with the remedy."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from oci.accounts import Account
from oci.reference import Reference
from oci.refusals import Denied, Missing, Refused, Unreachable, Untrusted

_LIMIT = 300
_WAITED = re.compile(r"timed out\.(?: \((?P<what>connect|read) timeout=(?P<seconds>[\d.]+)\))?")
"""How urllib3 says that it has waited in vain; in the middle of an answer it names no time."""
_ASKED = re.compile(r"\bhost='([^']+)'|Connection to (\S+) timed out")
"""How urllib3 names whom it has asked: the host, or the proxy on the way to it."""


def refusal(
    response: requests.Response, reference: Reference, accounts: Sequence[Account], *, push: bool
) -> Refused:
    """The refusal that an answer other than success amounts to.

    Args:
        response: the answer.
        reference: what was asked for.
        accounts: who asked.
        push: whether it was to be pushed.
    """
    said = f"{reference.host} answers {words(response)}"
    if response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Denied(said, _account_remedy(reference, accounts, push=push))
    if response.status_code == HTTPStatus.NOT_FOUND and push:
        return Missing(
            said, f"create the repository {reference.repository} there, or push to another"
        )
    if response.status_code == HTTPStatus.NOT_FOUND:
        return Missing(said, "check the repository and the tag: there is nothing of that name")
    return Refused(said, "ask whoever runs the registry what that means")


def words(response: requests.Response) -> str:
    """An answer in one line: its status, and the errors that the registry lists."""
    status = f"{response.status_code} {response.reason}".strip()
    try:
        listed = response.json().get("errors") or []
        errors = [f"{one.get('code', '')} {one.get('message', '')}".strip() for one in listed]
    except (ValueError, AttributeError, requests.exceptions.RequestException):
        errors = []
    return f"{status} ({'; '.join(errors)})"[:_LIMIT] if any(errors) else status


def retry_after(response: requests.Response) -> float:
    """Seconds that the registry asks to wait; 0 where it does not say."""
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def cause(error: BaseException, named: str) -> str:
    """The innermost reason of a failed request, which is the one that says something.

    Args:
        error: how the request failed.
        named: host or address that the message names; another that was asked in the end, by a
            redirect, for a token or through a proxy, is added.
    """
    asked = _asked(error)
    known = urlsplit(named if "//" in named else f"//{named}").hostname
    return _reason(error) + (f" (asked: {asked})" if asked and asked != known else "")


def _reason(error: BaseException) -> str:
    """What kept the innermost request from an answer."""
    found = _innermost(error)
    waited = _WAITED.search(str(found))
    if waited is None:
        return str(found.__cause__ or found).rpartition(">: ")[2][:_LIMIT]
    if waited["what"] is None:
        return "it fell silent in the middle of its answer"
    what = "it took no connection" if waited["what"] == "connect" else "it gave no answer"
    return f"{what} within {float(waited['seconds']):.3g} s"


def is_untrusted(error: BaseException) -> bool:
    """Whether a request failed for the other side's certificate, not for a broken connection."""
    return isinstance(_innermost(error), ssl.SSLCertVerificationError)


def is_final(error: BaseException) -> bool:
    """Whether another try would fail alike: a certificate, or an address that is none."""
    return is_untrusted(error) or isinstance(error, ValueError)


def _innermost(error: BaseException) -> BaseException:
    """The error that the libraries have wrapped."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    inner = getattr(error, "reason", None)
    return _innermost(inner) if isinstance(inner, BaseException) else error


def _asked(error: BaseException) -> str:
    """The host that did not answer; "" where nobody says."""
    named = _ASKED.search(str(_innermost(error)))
    if named:
        return str(named[named.lastindex or 0])
    request = getattr(error, "request", None)
    return urlsplit(request.url).hostname or "" if request is not None else ""


def failure(host: str, error: BaseException) -> Refused:
    """A request that got no answer."""
    return untrusted(host, error) if is_untrusted(error) else unreachable(host, cause(error, host))


def untrusted(host: str, error: BaseException) -> Untrusted:
    """A certificate that nobody here trusts."""
    return Untrusted(
        f"the certificate of {host} is not trusted: {cause(error, host)}",
        "have the operator's --ca-bundle name a ConfigMap whose key ca.crt holds its authority",
    )


def unreachable(host: str, reason: str) -> Unreachable:
    """A registry that does not answer."""
    return Unreachable(
        f"{host} cannot be reached: {reason}",
        "check the host's name, that pods reach it, and the proxy that the operator is given",
    )


def _account_remedy(reference: Reference, accounts: Sequence[Account], *, push: bool) -> str:
    """What to do about an account that is not let in, or about none."""
    verb = "push to" if push else "pull"
    if accounts:
        tried = ", ".join(f"{one.user!r} of Secret {one.secret}" for one in accounts)
        return f"account {tried} may not {verb} it: check its password and its rights"
    return (
        f"no pull secret holds an account for {reference.host}: name a Secret of type"
        f" kubernetes.io/dockerconfigjson that may {verb} it"
    )
