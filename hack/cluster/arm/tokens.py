"""The token endpoint of the tenant, and the check of the bearer tokens that it hands out.

It does what Entra does for a workload identity: the client proves who it is with a token that
the cluster signed for its ServiceAccount, and a federated credential (issuer, subject, audience)
says whom that proves. The codes are Entra's, the sentences ours. A bearer token is signed with
a secret of this server, so that it still holds after a restart.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import jwt
from pydantic import JsonValue

from hack.cluster import layout
from hack.cluster.arm import refusals

AUDIENCE = "https://management.azure.com"
SCOPE = f"{AUDIENCE}/.default"
GRANT = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_REQUIRED = ("client_id", "grant_type", "scope", "client_assertion", "client_assertion_type")
_CLAIMS = ["iss", "sub", "aud", "exp"]


@dataclass(eq=False)
class TokenRefused(Exception):
    """No token for this request."""

    status: int
    error: str
    """In the words of OAuth 2."""
    number: int
    """Of Entra's error, as in AADSTS700213."""
    message: str

    @property
    def body(self) -> dict[str, JsonValue]:
        """The JSON of the answer."""
        return {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self.message}",
            "error_codes": [self.number],
        }


class Tokens:
    """Grants bearer tokens, and checks them."""

    def __init__(self, *, issuer_key: str, secret: bytes, lifetime_seconds: int) -> None:
        self._issuer_key = issuer_key
        self._secret = secret
        self._lifetime_seconds = lifetime_seconds

    def grant(self, tenant: str, form: Mapping[str, str], *, now: float) -> dict[str, JsonValue]:
        """The answer to a token request, with the token in it.

        Raises:
            TokenRefused: the request does not say, or the assertion does not prove, enough.
        """
        _check_request(tenant, form)
        self._check_assertion(form["client_assertion"])
        claims = {
            "iss": f"https://sts.windows.net/{tenant}/",
            "aud": AUDIENCE,
            "appid": form["client_id"],
            "tid": tenant,
            "iat": int(now),
            "exp": int(now) + self._lifetime_seconds,
            "jti": secrets.token_hex(8),
        }
        return {
            "token_type": "Bearer",
            "expires_in": self._lifetime_seconds,
            "ext_expires_in": self._lifetime_seconds,
            "access_token": jwt.encode(claims, self._secret, algorithm="HS256"),
        }

    def check(self, authorization: str, *, authority: str, now: float) -> None:
        """Raise a refusal unless the Authorization header carries a token of ours that holds.

        Args:
            authorization: the header; "" when it is absent.
            authority: where to get a token, told to those who have none.
            now: seconds since 1970.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            code, message = "AuthenticationFailed", "The 'Authorization' header is missing."
            raise refusals.unauthenticated(code, message, authority=authority)
        try:
            claims = jwt.decode(
                token.strip(),
                self._secret,
                algorithms=["HS256"],
                audience=AUDIENCE,
                options={"require": ["exp"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError as error:
            code, message = "InvalidAuthenticationToken", "The access token is invalid."
            raise refusals.unauthenticated(code, message, authority=authority) from error
        if claims["exp"] <= now:
            code, message = "ExpiredAuthenticationToken", "The access token has expired."
            raise refusals.unauthenticated(code, message, authority=authority)

    def _check_assertion(self, assertion: str) -> None:
        try:
            claims = jwt.decode(
                assertion,
                self._issuer_key,
                algorithms=["RS256"],
                audience=layout.FEDERATED_AUDIENCE,
                issuer=layout.SERVICE_ACCOUNT_ISSUER,
                options={"require": _CLAIMS},
            )
        except jwt.InvalidIssuerError as error:
            raise _invalid_client(700211, "No federated identity has this issuer.") from error
        except jwt.InvalidAudienceError as error:
            raise _invalid_client(700212, "No federated identity has this audience.") from error
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
            message = "The assertion is outside its time: its exp has passed, or nbf has not."
            raise _invalid_client(700024, message) from error
        except jwt.InvalidSignatureError as error:
            raise _invalid_client(700027, "The assertion's signature does not hold.") from error
        except jwt.InvalidTokenError as error:
            raise _invalid_client(50027, f"The assertion is no valid JWT: {error}.") from error
        if claims["sub"] != layout.FEDERATED_SUBJECT:
            message = f"No federated identity has the subject '{claims['sub']}'."
            raise _invalid_client(700213, message)


def secret(path: Path) -> bytes:
    """The server's own secret: read from that file, which is made when there is none."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


def _check_request(tenant: str, form: Mapping[str, str]) -> None:
    missing = [name for name in _REQUIRED if not form.get(name)]
    if missing:
        message = f"The request lacks the parameter '{missing[0]}'."
        raise _bad_request("invalid_request", 900144, message)
    if tenant != layout.TENANT_ID:
        raise _bad_request("invalid_request", 90002, f"There is no tenant '{tenant}'.")
    if form["grant_type"] != GRANT:
        message = f"The grant type '{form['grant_type']}' is not supported."
        raise _bad_request("unsupported_grant_type", 70003, message)
    if form["client_id"] != layout.CLIENT_ID:
        message = f"The tenant has no application '{form['client_id']}'."
        raise _bad_request("unauthorized_client", 700016, message)
    if form["scope"] != SCOPE:
        message = f"The scope '{form['scope']}' is not '{SCOPE}'."
        raise _bad_request("invalid_scope", 70011, message)
    if form["client_assertion_type"] != ASSERTION_TYPE:
        raise _bad_request("invalid_request", 900144, f"Assertions must be {ASSERTION_TYPE}.")


def _bad_request(error: str, number: int, message: str) -> TokenRefused:
    return TokenRefused(HTTPStatus.BAD_REQUEST, error, number, message)


def _invalid_client(number: int, message: str) -> TokenRefused:
    return TokenRefused(HTTPStatus.UNAUTHORIZED, "invalid_client", number, message)
