"""Each way in which ARM says no, and what a claim has to say of it, written down by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tests.claims import KINDS, VM_SIZE, Kind

FAMILY = "standardNCSv3Family"
NEVER: tuple[float, ...] = ()
WORDS = "Said by a test, 41 of 42"


@dataclass(frozen=True)
class Class:
    """What all refusals of one kind have in common.

    Attributes:
        outcome: label of the cloud call.
        reason: of the condition.
        status: of the condition.
        remedy: words that say what to do.
        waits: least seconds from each refusal to the next request; `NEVER` for a last word.
    """

    outcome: str
    reason: str
    status: str
    remedy: str
    waits: tuple[float, ...]


CAPACITY = Class(
    outcome="CapacityUnavailable",
    reason="CapacityUnavailable",
    status="False",
    remedy="Choose another instance type, region or zone",
    waits=(60,),
)
QUOTA = Class(
    outcome="QuotaExceeded",
    reason="QuotaExceeded",
    status="False",
    remedy="Ask for more vCPU quota of this family in the Azure portal",
    waits=(60,),
)
FULL = Class(
    outcome="ClusterFull",
    reason="AgentPoolLimit",
    status="False",
    remedy="use a further cluster",
    waits=(60,),
)
SKU = Class(
    outcome="SkuUnavailable",
    reason="SkuUnavailable",
    status="False",
    remedy="Choose an instance type that is sold to this subscription",
    waits=NEVER,
)
BUSY = Class(
    outcome="OperationInProgress",
    reason="OperationInProgress",
    status="Unknown",
    remedy="tried again when the other operation has ended",
    waits=(10, 20),
)
EXISTS = Class(
    outcome="InstanceExists",
    reason="InstanceExists",
    status="Unknown",
    remedy="the agent pools are looked at again",
    waits=(2, 4, 8),
)
RATE = Class(
    outcome="CloudThrottled",
    reason="CloudThrottled",
    status="Unknown",
    remedy="tried again when the cloud allows",
    waits=(2,),
)
DENIED = Class(
    outcome="CloudDenied",
    reason="CloudDenied",
    status="False",
    remedy="has the role Contributor on the cluster",
    waits=(60,),
)
CLUSTER = Class(
    outcome="ClusterMissing",
    reason="ClusterMissing",
    status="False",
    remedy="Check ARM_SUBSCRIPTION_ID, ARM_RESOURCE_GROUP and AZURE_CLUSTER_NAME",
    waits=(60,),
)
INPUT = Class(
    outcome="BadRequest",
    reason="InvalidRequest",
    status="False",
    remedy="Delete the claim and create one that the cloud accepts",
    waits=NEVER,
)
TROUBLE = Class(
    outcome="CloudUnavailable",
    reason="CloudUnavailable",
    status="Unknown",
    remedy="check the way to the ARM endpoint",
    waits=(2, 4, 8),
)
UNEXPLAINED = Class(
    outcome="LaunchFailed",
    reason="LaunchFailed",
    status="False",
    remedy="Look at the cluster's activity log",
    waits=(60,),
)


@dataclass(frozen=True)
class Row:
    """One refusal of a PUT, or failure of its operation.

    Attributes:
        name: for people.
        pool: of the claim, and its name.
        kind: of the claim.
        expected: what it says.
        rule: of the scenario, without its pool.
        says: ARM's words and numbers, which the condition repeats.
    """

    name: str
    pool: str
    kind: Kind
    expected: Class
    rule: Mapping[str, object]
    says: tuple[str, ...]

    @property
    def claim(self) -> Mapping[str, object]:
        """The claim."""
        return self.kind.claim(self.pool)

    @property
    def in_operation(self) -> bool:
        """Whether the PUT was accepted, and failed later."""
        return self.rule["fault"] in {"allocation", "stuck-creating"}

    @property
    def failed_operations(self) -> int:
        """How many of its operations fail."""
        return max(1, len(self.expected.waits)) if self.in_operation else 0

    @property
    def is_aborted(self) -> bool:
        """Whether somebody else has to abort the operation."""
        return self.rule["fault"] == "stuck-creating"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return not self.expected.waits

    @property
    def scripted(self) -> Mapping[str, object]:
        """The rule, for as long as the waits last."""
        match = {"pool": self.pool, "operation": "PUT"}
        return {"match": match, "times": max(1, len(self.expected.waits)), **self.rule}


Given = tuple[str, Class, Mapping[str, object], tuple[str, ...]]


def _answer(
    expected: Class,
    status: int,
    code: str,
    words: str = WORDS,
    *,
    more: Mapping[str, object] = MappingProxyType({}),
) -> Given:
    """An answer of that status and code."""
    rule = {"fault": "refuse", "status": status, "code": code, "message": words, **more}
    return f"{status} {code or words}", expected, rule, (words,)


def _operation(expected: Class, code: str, words: str = WORDS) -> Given:
    """An operation that was accepted and ends with that code."""
    rule = {"fault": "allocation", "code": code, "message": words}
    return f"operation {code}", expected, rule, (words,)


def _scripted(expected: Class, fault: str, *says: str, **more: object) -> Given:
    """A fault whose words are the server's own."""
    return fault, expected, {"fault": fault, **more}, says


_CORES = f"Operation results in exceeding approved {FAMILY} Cores quota: 24 in use, limit 24"
_ANOTHER = "Another operation (system - Updating) is in progress, please wait for it to finish"
_CREATING = "Operation is not allowed because there's an in progress create node pool operation"
_FRONT: Mapping[str, object] = {"atFrontDoor": True}
_AFTER: Mapping[str, object] = {"atFrontDoor": True, "retryAfterSeconds": 2}
_CAUSE = {"code": "QuotaExceeded", "message": _CORES}

_GIVEN: Sequence[Given] = (
    # capacity: the PUT is accepted, and the pool stays behind in state Failed
    _scripted(CAPACITY, "allocation", VM_SIZE, "no capacity"),
    _operation(CAPACITY, "AllocationFailed"),
    _operation(CAPACITY, "ZonalAllocationFailed"),
    _operation(CAPACITY, "OverconstrainedAllocationRequest"),
    _operation(CAPACITY, "OverconstrainedZonalAllocationRequest"),
    _operation(CAPACITY, "SpotAllocationFailed"),
    # quota
    _scripted(QUOTA, "quota", "requested 6", f"family {FAMILY}", "region local", "of 6", limit=6),
    _answer(QUOTA, 400, "ErrCode_InsufficientVCPUQuota"),
    _answer(QUOTA, 400, "InsufficientVCPUQuota"),
    _answer(QUOTA, 409, "QuotaExceeded", _CORES, more=_FRONT),
    _answer(QUOTA, 409, "OperationNotAllowed", _CORES, more=_FRONT),
    _answer(QUOTA, 400, "BadRequest", f"No quota of {FAMILY} is left"),
    (
        "wrapped quota",
        QUOTA,
        {**_answer(QUOTA, 400, "InvalidTemplateDeployment", "See details")[2], "causes": [_CAUSE]},
        (_CORES,),
    ),
    _operation(QUOTA, "QuotaExceeded", _CORES),
    _operation(QUOTA, "OperationNotAllowed", _CORES),
    # room in the cluster
    _answer(FULL, 400, "MaxAgentPoolCountReached"),
    # size
    _scripted(SKU, "sku", f"The VM size of {VM_SIZE} is not allowed", "'local'"),
    _answer(SKU, 400, "VMSizeNotSupported"),
    _answer(SKU, 409, "SkuNotAvailable", more=_FRONT),
    _operation(SKU, "SkuNotAvailable"),
    # busy
    _scripted(BUSY, "conflict", "Another operation", "is in progress"),
    _answer(BUSY, 409, "OperationNotAllowed", _ANOTHER),
    _answer(BUSY, 409, "OperationNotAllowed", _CREATING),
    _answer(BUSY, 409, "Conflict"),
    _answer(BUSY, 409, "ConflictingOperation", more=_FRONT),
    _answer(BUSY, 409, "OperationPreempted"),
    _answer(BUSY, 409, "", "A conflict without a code"),
    _answer(EXISTS, 412, "EtagMismatch"),
    _answer(EXISTS, 412, "PreconditionFailed", more=_FRONT),
    # rate
    _scripted(RATE, "throttle", "too many requests", "2 s", retryAfterSeconds=2),
    _answer(RATE, 429, "Throttled", more=_AFTER),
    _answer(RATE, 429, "TooManyRequests", more=_AFTER),
    # identity
    _scripted(DENIED, "denied", "has no permission for", "agentPools/write"),
    _answer(DENIED, 403, "AuthorizationFailed", more=_FRONT),
    _answer(DENIED, 403, "LinkedAuthorizationFailed", more=_FRONT),
    _answer(DENIED, 403, "RequestDisallowedByPolicy", more=_FRONT),
    _answer(DENIED, 401, "AuthenticationFailed", more=_FRONT),
    _answer(DENIED, 401, "InvalidAuthenticationToken", more=_FRONT),
    _answer(DENIED, 401, "InvalidAuthenticationTokenTenant", more=_FRONT),
    _answer(DENIED, 401, "ExpiredAuthenticationToken", more=_FRONT),
    # addresses that do not exist
    _scripted(CLUSTER, "cluster-missing", "managedClusters/kaito-local", "was not found"),
    _answer(CLUSTER, 404, "ResourceNotFound", more=_FRONT),
    _answer(CLUSTER, 404, "ResourceGroupNotFound", more=_FRONT),
    _answer(CLUSTER, 404, "ParentResourceNotFound", more=_FRONT),
    _answer(CLUSTER, 404, "SubscriptionNotFound", more=_FRONT),
    _answer(CLUSTER, 400, "InvalidSubscriptionId", more=_FRONT),
    _answer(CLUSTER, 409, "MissingSubscriptionRegistration", more=_FRONT),
    # input
    _answer(INPUT, 400, "InvalidParameter"),
    _answer(INPUT, 400, "InvalidTemplateDeployment", more=_FRONT),
    _answer(INPUT, 400, "PropertyChangeNotAllowed"),
    _answer(INPUT, 400, "BadRequest"),
    # its own trouble
    _scripted(TROUBLE, "unavailable", "not available"),
    _scripted(TROUBLE, "drop"),
    _answer(TROUBLE, 500, "InternalServerError"),
    _answer(TROUBLE, 500, "InternalOperationError"),
    _answer(TROUBLE, 503, "ServiceUnavailable", more=_FRONT),
    _answer(TROUBLE, 408, "", "No answer in time"),
    _answer(TROUBLE, 502, "", "Bad gateway"),
    _operation(TROUBLE, "ReconcileVMSSAgentPoolFailed"),
    _operation(TROUBLE, "CreateVMSSAgentPoolFailed"),
    _scripted(UNEXPLAINED, "stuck-creating", "in state Canceled", "does not say why"),
    _operation(UNEXPLAINED, "VMExtensionProvisioningError"),
)

ROWS: Sequence[Row] = tuple(
    Row(name, f"row{number:02d}", KINDS[number % len(KINDS)], expected, rule, says)
    for number, (name, expected, rule, says) in enumerate(_GIVEN)
)
