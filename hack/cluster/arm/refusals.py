"""The errors that ARM answers with: status, code, words and the shape of their body.

Two parties answer. The front door (routing, identity, rate) wraps an error as {"error": …}; the
AKS resource provider answers it flat, with `details` and `subcode`. Both shapes, the codes and
the words that callers have been seen to depend on are the wire's; the rest is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from pydantic import JsonValue

from hack.cluster.arm.pools import Operation


@dataclass(eq=False)
class Refusal(Exception):
    """An answer that is an error."""

    status: int
    code: str
    message: str
    target: str = ""
    """The property or resource at fault; "" for none."""
    subcode: str = ""
    """The provider's own finer code; "" for none."""
    details: tuple[tuple[str, str], ...] = ()
    """Code and message of each cause."""
    from_provider: bool = True
    """Flat body of the resource provider, else the front door's."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the answer, e.g. Retry-After."""

    @property
    def body(self) -> dict[str, JsonValue]:
        """The JSON of the answer."""
        causes: list[JsonValue] = [
            {"code": code, "message": message} for code, message in self.details
        ]
        if self.from_provider:
            return {
                "code": self.code,
                "details": causes or None,
                "message": self.message,
                "subcode": self.subcode,
                "target": self.target or None,
            }
        error: dict[str, JsonValue] = {"code": self.code, "message": self.message}
        if self.target:
            error["target"] = self.target
        if causes:
            error["details"] = causes
        return {"error": error}


def invalid(message: str, *, target: str = "", code: str = "InvalidParameter") -> Refusal:
    """400: a value that the provider does not accept."""
    return Refusal(HTTPStatus.BAD_REQUEST, code, message, target=target)


def property_changed(name: str, *, old: JsonValue, new: JsonValue) -> Refusal:
    """400: a property that is set once and for all."""
    message = f"Changing property 'properties.{name}' is not allowed: {old!r} is not {new!r}."
    target = f"properties.{name}"
    return Refusal(HTTPStatus.BAD_REQUEST, "PropertyChangeNotAllowed", message, target=target)


def size_not_allowed(vm_size: str, *, location: str) -> Refusal:
    """400: the size is not sold here, or not to this subscription."""
    message = f"The VM size of {vm_size} is not allowed in your subscription in location "
    return Refusal(HTTPStatus.BAD_REQUEST, "BadRequest", f"{message}'{location}'.")


def quota_exceeded(family: str, *, requested: int, used: int, limit: int, location: str) -> Refusal:
    """400: more vCPUs of a family than the subscription may run."""
    remaining = max(0, limit - used)
    message = (
        f"Insufficient vcpu quota requested {requested}, remaining {remaining} for family "
        f"{family} for region {location}. In use: {used} of {limit}."
    )
    return Refusal(HTTPStatus.BAD_REQUEST, "ErrCode_InsufficientVCPUQuota", message)


def too_many_pools(most: int) -> Refusal:
    """400: the cluster is full. The service's status and words are not known, its code is."""
    message = f"A cluster has {most} agent pools at most."
    return Refusal(HTTPStatus.BAD_REQUEST, "MaxAgentPoolCountReached", message)


def last_system_pool(name: str) -> Refusal:
    """400: a cluster needs a pool for its own pods."""
    message = f"Agent pool {name} is the last one of mode System, and a cluster needs one."
    return Refusal(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def etag_mismatch(name: str) -> Refusal:
    """412: If-Match or If-None-Match does not hold."""
    message = f"The etag condition on agent pool {name} does not hold: read it again."
    return Refusal(HTTPStatus.PRECONDITION_FAILED, "EtagMismatch", message)


def in_progress(operation: Operation) -> Refusal:
    """409: the pool is in another operation."""
    if operation.verb == "create":
        subject = "there's an in progress create node pool operation"
        message = f"Operation is not allowed because {subject} ({operation.id})."
        return Refusal(HTTPStatus.CONFLICT, "OperationNotAllowed", message)
    return another_operation(f"{operation.pool} - {operation.verb.title()}")


def another_operation(which: str) -> Refusal:
    """409: the pool or its cluster is in another operation."""
    message = f"Another operation ({which}) is in progress, please wait for it to finish."
    return Refusal(HTTPStatus.CONFLICT, "OperationNotAllowed", message)


def nothing_to_abort(name: str) -> Refusal:
    """409: the operation has ended before it could be aborted."""
    message = f"Agent pool {name} has no operation in progress."
    return Refusal(HTTPStatus.CONFLICT, "OperationNotAllowed", message)


def pool_not_found(name: str) -> Refusal:
    """404: the cluster is there, the pool is not."""
    message = f"Could not find the agentpool: {name}."
    return Refusal(HTTPStatus.NOT_FOUND, "NotFound", message, subcode="GetAgentPool_NotFound")


def _front_door(status: int, code: str, message: str, **headers: str) -> Refusal:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Refusal(status, code, message, from_provider=False, headers=names)


def subscription_not_found(subscription: str) -> Refusal:
    """404: no such subscription."""
    message = f"The subscription '{subscription}' could not be found."
    return _front_door(HTTPStatus.NOT_FOUND, "SubscriptionNotFound", message)


def group_not_found(group: str) -> Refusal:
    """404: no such resource group."""
    message = f"Resource group '{group}' could not be found."
    return _front_door(HTTPStatus.NOT_FOUND, "ResourceGroupNotFound", message)


def cluster_not_found(cluster: str, *, group: str, as_parent: bool = False) -> Refusal:
    """404: no such cluster; as a parent when a child of it was to be made."""
    resource = f"Microsoft.ContainerService/managedClusters/{cluster}"
    message = f"The Resource '{resource}' under resource group '{group}' was not found."
    code = "ParentResourceNotFound" if as_parent else "ResourceNotFound"
    return _front_door(HTTPStatus.NOT_FOUND, code, message)


def route_not_found(path: str) -> Refusal:
    """404: an address that this server does not know."""
    message = f"No resource type here answers to {path}."
    return _front_door(HTTPStatus.NOT_FOUND, "InvalidResourceType", message)


def operation_not_found(identifier: str) -> Refusal:
    """404: no such operation, or one that ended too long ago."""
    message = f"Operation {identifier} could not be found."
    return _front_door(HTTPStatus.NOT_FOUND, "OperationNotFound", message)


def method_not_allowed(method: str) -> Refusal:
    """405: an address that is known, for other methods."""
    message = f"The resource does not support the method {method}."
    return _front_door(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message)


def bad_api_version(given: str) -> Refusal:
    """400: api-version is absent or no version."""
    if not given:
        message = "The api-version query parameter (?api-version=) is required."
        return _front_door(HTTPStatus.BAD_REQUEST, "MissingApiVersionParameter", message)
    message = f"The api-version '{given}' is no date."
    return _front_door(HTTPStatus.BAD_REQUEST, "InvalidApiVersionParameter", message)


def bad_content(message: str) -> Refusal:
    """400: the body is not the JSON that it should be."""
    return _front_door(HTTPStatus.BAD_REQUEST, "InvalidRequestContent", message)


def unauthenticated(code: str, message: str, *, authority: str) -> Refusal:
    """401: no bearer token, or one that does not hold."""
    challenge = f'Bearer authorization_uri="{authority}", error="invalid_token"'
    return _front_door(HTTPStatus.UNAUTHORIZED, code, message, WWW_Authenticate=challenge)


def denied(action: str, *, client_id: str, scope: str) -> Refusal:
    """403: the identity has no role that allows this."""
    message = f"The client '{client_id}' has no permission for '{action}' over scope '{scope}'."
    return _front_door(HTTPStatus.FORBIDDEN, "AuthorizationFailed", message)


def throttled(retry_after_seconds: int) -> Refusal:
    """429: too many requests; how long to wait is in Retry-After."""
    message = f"The subscription sent too many requests: wait {retry_after_seconds} s."
    return _front_door(
        HTTPStatus.TOO_MANY_REQUESTS,
        "SubscriptionRequestsThrottled",
        message,
        Retry_After=str(retry_after_seconds),
    )


def unavailable(retry_after_seconds: int | None) -> Refusal:
    """503: the provider does not answer its front door."""
    message = "The resource provider is not available."
    headers = {} if retry_after_seconds is None else {"Retry_After": str(retry_after_seconds)}
    return _front_door(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message, **headers)
