"""What can go wrong, as classes with fields.

    OperatorError
    ├── InvalidSpec            the user must change the spec
    └── KubeError              the API server answered with an error
        ├── NotFound           404
        ├── AlreadyExists      409, reason AlreadyExists
        ├── Conflict           409: our view is old
        ├── Expired            410: that resourceVersion is gone, or not there yet
        ├── Invalid            400, 422: the object is refused
        ├── Denied             401, 403
        ├── Throttled          429
        ├── Unavailable        network, time-out, 5xx
        │   └── ServerFault    500 in the server's own words
        └── Undecodable        an answer that does not fit our types

Each class carries what its reader needs; nobody matches on text. What a class means for
the queue is one table, in `kaito.kube.outcome`.
"""

from __future__ import annotations


class OperatorError(Exception):
    """Root of everything that this project raises on purpose."""


class InvalidSpec(OperatorError):
    """The user's spec cannot be carried out as it stands."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class KubeError(OperatorError):
    """An answer of the API server that is not a success.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        reason: machine-readable reason of the Status object, e.g. "AlreadyExists".
        message: the server's sentence, for people.
        retry_after_seconds: what the server asked for, None when it did not ask.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class NotFound(KubeError):
    """404: no such object, or no such resource."""


class AlreadyExists(KubeError):
    """409: an object of that name exists."""


class Conflict(KubeError):
    """409: the object changed since we read it, or another manager owns a field."""


class Expired(KubeError):
    """That resourceVersion or continue token cannot be served: too old, or not there yet."""


class Invalid(KubeError):
    """400 or 422: the API server refuses the object."""


class Denied(KubeError):
    """401 or 403: these credentials may not do that."""


class Throttled(KubeError):
    """429: too many requests."""


class Unavailable(KubeError):
    """No answer, a time-out, or a 5xx."""


class ServerFault(Unavailable):
    """500, said by the API server itself: it, or a webhook that it asks, fails at this request.

    Mostly that passes; an apply of a field that no schema has, or a webhook that is no more, fails
    for ever.
    """


class Undecodable(KubeError):
    """A success whose body is not what our types say: the two sides disagree."""
