"""Who gets a token, and which tokens hold."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hack.cluster.arm.refusals import Refusal
from hack.cluster.arm.tokens import TokenRefused, Tokens, secret
from tests.unit.cluster.arm.conftest import Credentials

TENANT = "00000000-0000-4000-8000-000000000002"
NOW = 1_000_000.0
PAST = datetime.now(UTC) - timedelta(minutes=1)


@pytest.fixture
def tokens(credentials: Credentials) -> Tokens:
    """The endpoint, with tokens of ten minutes."""
    key = (credentials.folder / "sa.pub").read_text()
    return Tokens(issuer_key=key, secret=b"s" * 32, lifetime_seconds=600)


def form(assertion: str, **changes: str) -> dict[str, str]:
    """A request as the real credential sends it, with some parameters changed."""
    request = {
        "client_assertion": assertion,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_id": "00000000-0000-4000-8000-000000000003",
        "grant_type": "client_credentials",
        "scope": "https://management.azure.com/.default",
    }
    return {**request, **changes}


def test_a_granted_token_holds_until_it_expires(tokens: Tokens, credentials: Credentials) -> None:
    body = tokens.grant(TENANT, form(credentials.assertion()), now=NOW)

    header = f"Bearer {body['access_token']}"
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    tokens.check(header, authority="", now=NOW + 599)
    with pytest.raises(Refusal) as refused:
        tokens.check(header, authority="", now=NOW + 600)
    assert (refused.value.status, refused.value.code) == (401, "ExpiredAuthenticationToken")


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"sub": "system:serviceaccount:kaito-system:kaito"}, 700213),
        ({"iss": "https://elsewhere"}, 700211),
        ({"aud": ["https://kubernetes.default.svc"]}, 700212),
        ({"exp": PAST}, 700024),
    ],
    ids=["subject", "issuer", "audience", "expiry"],
)
def test_an_assertion_of_someone_else_is_refused(
    tokens: Tokens, credentials: Credentials, claims: dict[str, object], number: int
) -> None:
    with pytest.raises(TokenRefused) as refused:
        tokens.grant(TENANT, form(credentials.assertion(**claims)), now=NOW)

    assert (refused.value.status, refused.value.error) == (401, "invalid_client")
    assert refused.value.number == number


def test_an_assertion_of_another_key_is_refused(tokens: Tokens) -> None:
    stranger = Credentials(Path(), rsa.generate_private_key(public_exponent=65537, key_size=2048))

    with pytest.raises(TokenRefused) as refused:
        tokens.grant(TENANT, form(stranger.assertion()), now=NOW)

    assert refused.value.number == 700027


def test_an_unsigned_assertion_is_refused(tokens: Tokens, credentials: Credentials) -> None:
    claims = credentials.assertion().split(".")[1]
    unsigned = ".".join((base64.urlsafe_b64encode(b'{"alg":"none"}').decode(), claims, ""))

    with pytest.raises(TokenRefused):
        tokens.grant(TENANT, form(unsigned), now=NOW)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_id": "another"}, "unauthorized_client"),
        ({"scope": "https://graph.microsoft.com/.default"}, "invalid_scope"),
        ({"client_assertion_type": "saml"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
    ],
    ids=["grant", "client", "scope", "assertion type", "no assertion"],
)
def test_a_request_that_is_not_right_is_refused(
    tokens: Tokens, credentials: Credentials, change: dict[str, str], error: str
) -> None:
    with pytest.raises(TokenRefused) as refused:
        tokens.grant(TENANT, form(credentials.assertion(), **change), now=NOW)

    assert (refused.value.status, refused.value.error) == (400, error)


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer abc"])
def test_what_is_no_token_of_ours_does_not_hold(tokens: Tokens, header: str) -> None:
    with pytest.raises(Refusal) as refused:
        tokens.check(header, authority="https://login", now=NOW)

    assert refused.value.status == 401
    assert "https://login" in refused.value.headers["WWW-Authenticate"]


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "token.key"

    assert secret(path) == secret(path)
    assert path.stat().st_mode & 0o077 == 0
