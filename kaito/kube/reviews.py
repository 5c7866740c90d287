"""Who may read /metrics: the API server says who is calling, and whether they may.

A token is sent on in a TokenReview, and whoever it belongs to in a SubjectAccessReview for the
path, as kube-rbac-proxy and controller-runtime do. Verdicts are kept for a while, so that scrapes
cost the API server next to nothing and go on through a short outage of it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from kaito.kube.client import Client
from kaito.kube.errors import KubeError
from kaito.kube.objects import KubeModel


@dataclass(frozen=True, slots=True)
class Review:
    """A question to the API server in the form of an object that is never stored."""

    group: str
    kind: str

    @property
    def path(self) -> str:
        """Where it is posted to."""
        return f"/apis/{self.group}/v1/{self.kind.lower()}s"


IDENTITY = Review("authentication.k8s.io", "TokenReview")
ACCESS = Review("authorization.k8s.io", "SubjectAccessReview")
PATH = "/metrics"

_BEARER = "Bearer "
_ALLOWED_SECONDS = 60.0
_REFUSED_SECONDS = 10.0
_OUTAGE_SECONDS = 600.0
"""How long a caller that was let in before still is, while nobody can be asked."""
_KEPT = 256

log = structlog.get_logger()


class _User(KubeModel):
    """Who a token belongs to."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()


class _TokenStatus(KubeModel):
    authenticated: bool = False
    user: _User = _User()


class _TokenReview(KubeModel):
    status: _TokenStatus = _TokenStatus()


class _AccessStatus(KubeModel):
    allowed: bool = False


class _AccessReview(KubeModel):
    status: _AccessStatus = _AccessStatus()


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was said of a token, and when."""

    status: HTTPStatus
    at_seconds: float

    def age(self, now_seconds: float) -> float:
        """Seconds since it was said."""
        return now_seconds - self.at_seconds

    def holds(self, now_seconds: float) -> bool:
        """Whether it is young enough to be used unasked."""
        limit = _ALLOWED_SECONDS if self.status is HTTPStatus.OK else _REFUSED_SECONDS
        return self.age(now_seconds) < limit


class Reviewer:
    """Asks the API server about callers."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._verdicts: OrderedDict[str, _Verdict] = OrderedDict()

    async def verdict(self, authorization: str) -> HTTPStatus:
        """What to answer a caller: OK, 401, 403, or 503 where nobody could be asked.

        Args:
            authorization: the header of the request, "" for none.
        """
        if not authorization.startswith(_BEARER):
            return HTTPStatus.UNAUTHORIZED
        token = authorization.removeprefix(_BEARER).strip()
        key = hashlib.sha256(token.encode()).hexdigest()
        now = self._client.clock.monotonic()
        known = self._verdicts.get(key)
        if known and known.holds(now):
            return known.status
        try:
            status = await self._asked(token)
        except KubeError as error:
            log.warning("scrape.unreviewed", error=error.message, reason=type(error).__name__)
            if known and known.status is HTTPStatus.OK and known.age(now) < _OUTAGE_SECONDS:
                return HTTPStatus.OK
            return HTTPStatus.SERVICE_UNAVAILABLE
        self._verdicts[key] = _Verdict(status, now)
        self._verdicts.move_to_end(key)
        if len(self._verdicts) > _KEPT:
            self._verdicts.popitem(last=False)
        return status

    async def _asked(self, token: str) -> HTTPStatus:
        """The API server's own verdict.

        Raises:
            KubeError: it gave none.
        """
        review = _TokenReview.model_validate(await self._posted(IDENTITY, {"token": token}))
        user = review.status.user
        if not review.status.authenticated:
            return HTTPStatus.UNAUTHORIZED
        spec = {
            "user": user.username,
            "uid": user.uid,
            "groups": list(user.groups),
            "nonResourceAttributes": {"path": PATH, "verb": "get"},
        }
        access = _AccessReview.model_validate(await self._posted(ACCESS, spec))
        return HTTPStatus.OK if access.status.allowed else HTTPStatus.FORBIDDEN

    async def _posted(self, review: Review, spec: Mapping[str, object]) -> object:
        """The answer to a review."""
        body = {"apiVersion": f"{review.group}/v1", "kind": review.kind, "spec": spec}
        return await self._client.request("POST", review.path, body=body)
