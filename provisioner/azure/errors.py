"""From Azure's answers to the classes of `provisioner.failures`: the only table of its codes.

An answer comes in one of three shapes, or in none:

    {"error": {"code", "message", "details": [...]}}             ARM's front door
    {"code", "message", "subcode", "details": [...] | null}      the AKS resource provider
    {"error", "error_description": "AADSTS…: …"}                 the token endpoint

A failed operation is told with HTTP 200, as the error of the operation or of the pool.
"OperationNotAllowed" means a lock and a quota alike; only its text tells which, and this is
the one place of the project that reads text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from provisioner.failures import (
    BadRequest,
    CapacityUnavailable,
    CloudDenied,
    CloudError,
    CloudThrottled,
    CloudUnavailable,
    ClusterFull,
    ClusterMissing,
    InstanceExists,
    LaunchFailed,
    OperationInProgress,
    QuotaExceeded,
    SkuUnavailable,
)

DEFAULT_RETRY_AFTER_SECONDS = 30.0

CLASSES: Mapping[str, type[CloudError]] = {
    # capacity
    "AllocationFailed": CapacityUnavailable,
    "ZonalAllocationFailed": CapacityUnavailable,
    "OverconstrainedAllocationRequest": CapacityUnavailable,
    "OverconstrainedZonalAllocationRequest": CapacityUnavailable,
    "SpotAllocationFailed": CapacityUnavailable,
    # quota
    "ErrCode_InsufficientVCPUQuota": QuotaExceeded,
    "InsufficientVCPUQuota": QuotaExceeded,
    "QuotaExceeded": QuotaExceeded,
    # room in the cluster
    "MaxAgentPoolCountReached": ClusterFull,
    # size
    "SkuNotAvailable": SkuUnavailable,
    "VMSizeNotSupported": SkuUnavailable,
    # busy
    "Conflict": OperationInProgress,
    "ConflictingOperation": OperationInProgress,
    "OperationPreempted": OperationInProgress,
    "EtagMismatch": InstanceExists,
    "PreconditionFailed": InstanceExists,
    # rate
    "Throttled": CloudThrottled,
    "TooManyRequests": CloudThrottled,
    "SubscriptionRequestsThrottled": CloudThrottled,
    # identity
    "AuthorizationFailed": CloudDenied,
    "AuthenticationFailed": CloudDenied,
    "InvalidAuthenticationToken": CloudDenied,
    "InvalidAuthenticationTokenTenant": CloudDenied,
    "ExpiredAuthenticationToken": CloudDenied,
    "LinkedAuthorizationFailed": CloudDenied,
    "RequestDisallowedByPolicy": CloudDenied,
    # addresses that do not exist
    "ResourceNotFound": ClusterMissing,
    "ResourceGroupNotFound": ClusterMissing,
    "ParentResourceNotFound": ClusterMissing,
    "SubscriptionNotFound": ClusterMissing,
    "InvalidSubscriptionId": ClusterMissing,
    # a subscription with a cluster has its resource provider: this is another one
    "MissingSubscriptionRegistration": ClusterMissing,
    # input
    "InvalidParameter": BadRequest,
    "InvalidTemplateDeployment": BadRequest,
    "PropertyChangeNotAllowed": BadRequest,
    # its own trouble
    "InternalServerError": CloudUnavailable,
    "InternalOperationError": CloudUnavailable,
    "ReconcileVMSSAgentPoolFailed": CloudUnavailable,
    "CreateVMSSAgentPoolFailed": CloudUnavailable,
    "ServiceUnavailable": CloudUnavailable,
}
"""Class of each code that means one thing only."""

WRAPPERS = frozenset(
    {
        *("InvalidTemplateDeployment", "ReconcileVMSSAgentPoolFailed"),
        *("CreateVMSSAgentPoolFailed", "VMExtensionProvisioningError"),
    }
)
"""Codes whose cause is told in `details`."""

_QUOTA_WORDS = ("quota", "approved total", "cores")
_SIZE_WORDS = ("not allowed in your subscription", "is not available in location")

_BY_STATUS: Mapping[int, type[CloudError]] = {
    HTTPStatus.UNAUTHORIZED: CloudDenied,
    HTTPStatus.FORBIDDEN: CloudDenied,
    HTTPStatus.CONFLICT: OperationInProgress,
    HTTPStatus.PRECONDITION_FAILED: InstanceExists,
    HTTPStatus.TOO_MANY_REQUESTS: CloudThrottled,
    HTTPStatus.REQUEST_TIMEOUT: CloudUnavailable,
}


@dataclass(frozen=True, slots=True)
class ArmError:
    """An error as ARM tells it, of either shape.

    Attributes:
        code: ARM's or the provider's word; "" when the body was no JSON.
        message: for people.
        subcode: the provider's finer word, e.g. "GetAgentPool_NotFound".
        details: the causes, outermost first.
    """

    code: str
    message: str
    subcode: str = ""
    details: tuple[ArmError, ...] = ()

    def flattened(self) -> Iterator[ArmError]:
        """This error and all its causes."""
        yield self
        for detail in self.details:
            yield from detail.flattened()


def parsed(body: object) -> ArmError:
    """Read an error from a decoded body of any shape; anything else is an error without code."""
    if not isinstance(body, Mapping):
        return ArmError("", str(body or "").strip()[:500])
    if "error_description" in body:
        return _of_token_endpoint(body)
    inner = body.get("error")
    told = inner if isinstance(inner, Mapping) else body
    details = told.get("details")
    return ArmError(
        code=str(told.get("code") or ""),
        message=str(told.get("message") or ""),
        subcode=str(told.get("subcode") or ""),
        details=tuple(map(parsed, details)) if isinstance(details, list | tuple) else (),
    )


def _of_token_endpoint(body: Mapping[str, object]) -> ArmError:
    """The number of Entra's error is its code; that of OAuth stands for many."""
    number, colon, message = str(body["error_description"]).partition(": ")
    if colon and number.startswith("AADSTS"):
        return ArmError(number, message)
    return ArmError(str(body.get("error") or ""), str(body["error_description"]))


def decoded(text: str) -> ArmError:
    """Read an error from the text of an answer, which need not be JSON."""
    try:
        return parsed(json.loads(text))
    except ValueError:
        return ArmError("", text.strip()[:500])


def is_pool_gone(status: int, error: ArmError) -> bool:
    """Whether a 404 is about the agent pool; one about the cluster is ClusterMissing."""
    told = error.code == "NotFound" or error.subcode.endswith("AgentPool_NotFound")
    return status == HTTPStatus.NOT_FOUND and told


def classified(
    error: ArmError, *, status: int = HTTPStatus.OK, retry_after: str = ""
) -> CloudError:
    """The failure that an answer stands for.

    Args:
        error: as read from the body.
        status: HTTP status; 200 for a failed operation.
        retry_after: value of that header; "" when absent.

    Returns:
        A value; the caller raises it `from` the SDK's own.
    """
    cause = _cause(error)
    kind = _kind(cause, status)
    code = cause.code or f"HTTP{int(status)}"
    message = cause.message or error.message or f"the cloud answered {int(status)} without a reason"
    if kind is CloudThrottled:
        return CloudThrottled(code, message, retry_after_seconds=_seconds(retry_after))
    return kind(code, message)


def _cause(error: ArmError) -> ArmError:
    """The innermost error that has a class of its own, when the outer one only wraps it."""
    if error.code not in WRAPPERS:
        return error
    known = [each for each in error.flattened() if each.code not in WRAPPERS and _told(each)]
    return known[-1] if known else error


def _told(error: ArmError) -> type[CloudError] | None:
    """The class that the code alone, or the code and its text, stand for."""
    text = error.message.lower()
    if error.code == "OperationNotAllowed":
        return QuotaExceeded if _has(text, _QUOTA_WORDS) else OperationInProgress
    if error.code == "BadRequest":
        if _has(text, _SIZE_WORDS):
            return SkuUnavailable
        return QuotaExceeded if "quota" in text else CLASSES.get(error.subcode, BadRequest)
    return CLASSES.get(error.code) or CLASSES.get(error.subcode)


def _kind(error: ArmError, status: int) -> type[CloudError]:
    """The class of an answer: by code, else by status."""
    told = _told(error)
    if told is not None:
        return told
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == HTTPStatus.OK:
        return LaunchFailed
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return BadRequest
    return CloudUnavailable


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)


def _seconds(text: str) -> float:
    """Retry-After in seconds; a date or nonsense is the default."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return DEFAULT_RETRY_AFTER_SECONDS
