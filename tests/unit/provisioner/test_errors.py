"""Every code that ARM is known to send means what the documentation says, in both body shapes."""

from __future__ import annotations

import json

import pytest

from provisioner import failures
from provisioner.azure import errors
from provisioner.failures import (
    MEANINGS,
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

Case = tuple[int, str, str, type[CloudError]]

CASES: tuple[Case, ...] = (
    (
        400,
        "BadRequest",
        "The VM size of Standard_X is not allowed in your subscription in location 'y'.",
        SkuUnavailable,
    ),
    (400, "BadRequest", "The pool is wrong.", BadRequest),
    (400, "InvalidParameter", "The value of osDiskSizeGB is wrong.", BadRequest),
    (400, "ErrCode_InsufficientVCPUQuota", "Insufficient vcpu quota requested 24", QuotaExceeded),
    (409, "QuotaExceeded", "Operation could not be completed", QuotaExceeded),
    (
        409,
        "OperationNotAllowed",
        "Operation results in exceeding approved Total Regional Cores quota.",
        QuotaExceeded,
    ),
    (
        409,
        "OperationNotAllowed",
        "Another operation (pool - Creating) is in progress, please wait for it to finish.",
        OperationInProgress,
    ),
    (
        409,
        "OperationNotAllowed",
        "Operation is not allowed because there's an in progress create node pool operation",
        OperationInProgress,
    ),
    (400, "MaxAgentPoolCountReached", "no more than 100", ClusterFull),
    (409, "Conflict", "busy", OperationInProgress),
    (412, "EtagMismatch", "The etag does not hold", InstanceExists),
    (412, "", "", InstanceExists),
    (200, "SkuNotAvailable", "The requested size is not available", SkuUnavailable),
    (200, "AllocationFailed", "Allocation failed", CapacityUnavailable),
    (200, "ZonalAllocationFailed", "Allocation failed", CapacityUnavailable),
    (200, "OverconstrainedAllocationRequest", "Allocation failed", CapacityUnavailable),
    (200, "OverconstrainedZonalAllocationRequest", "Allocation failed", CapacityUnavailable),
    (401, "InvalidAuthenticationToken", "no", CloudDenied),
    (401, "ExpiredAuthenticationToken", "no", CloudDenied),
    (403, "AuthorizationFailed", "no role", CloudDenied),
    (404, "ResourceNotFound", "no cluster", ClusterMissing),
    (404, "ResourceGroupNotFound", "no group", ClusterMissing),
    (404, "ParentResourceNotFound", "no cluster", ClusterMissing),
    (404, "SubscriptionNotFound", "no subscription", ClusterMissing),
    (409, "MissingSubscriptionRegistration", "register it", ClusterMissing),
    (429, "SubscriptionRequestsThrottled", "slow down", CloudThrottled),
    (429, "TooManyRequests", "slow down", CloudThrottled),
    (429, "Throttled", "slow down", CloudThrottled),
    (500, "InternalServerError", "oops", CloudUnavailable),
    (503, "", "", CloudUnavailable),
    (200, "CreateVMSSAgentPoolFailed", "oops", CloudUnavailable),
    (200, "VMExtensionProvisioningError", "exit status 50", LaunchFailed),
    (200, "SomethingNew", "never heard of", LaunchFailed),
    (418, "SomethingNew", "never heard of", BadRequest),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2][:12]}")
@pytest.mark.parametrize("wrapped", [True, False], ids=["front-door", "provider"])
def test_a_code_has_one_class_in_either_shape(case: Case, *, wrapped: bool) -> None:
    status, code, message, expected = case
    flat = {"code": code, "message": message, "details": None, "subcode": ""}
    body = {"error": {"code": code, "message": message}} if wrapped else flat

    failure = errors.classified(errors.decoded(json.dumps(body)), status=status)

    assert type(failure) is expected


def test_the_cause_in_the_details_decides_when_the_outer_code_only_wraps_it() -> None:
    body = {
        "error": {
            "code": "CreateVMSSAgentPoolFailed",
            "message": "outer",
            "details": [
                {
                    "code": "InvalidTemplateDeployment",
                    "message": "middle",
                    "details": [{"code": "AllocationFailed", "message": "inner"}],
                }
            ],
        }
    }

    failure = errors.classified(errors.parsed(body))

    assert type(failure) is CapacityUnavailable
    assert failure.message == "inner"


@pytest.mark.parametrize("code", ["BadRequest", "ValidationError", "MaxAgentPoolCountReached"])
def test_a_full_cluster_is_told_by_the_code_or_by_the_finer_one(code: str) -> None:
    body = {"code": code, "message": "no more", "subcode": "MaxAgentPoolCountReached"}

    failure = errors.classified(errors.parsed(body), status=400)

    assert type(failure) is ClusterFull
    assert "further cluster" in failures.sentence(failure)
    assert "vCPU" not in failures.sentence(failure)


def test_an_answer_that_is_no_json_is_classed_by_its_status() -> None:
    failure = errors.classified(errors.decoded("<html>bad gateway</html>"), status=502)

    assert type(failure) is CloudUnavailable
    assert "bad gateway" in failure.message


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", 30.0), ("soon", 30.0)])
def test_throttling_says_when_to_come_back(header: str, seconds: float) -> None:
    failure = errors.classified(errors.ArmError("Throttled", "x"), status=429, retry_after=header)

    assert isinstance(failure, CloudThrottled)
    assert failure.retry_after_seconds == seconds


def test_only_a_pool_that_is_missing_counts_as_gone() -> None:
    pool = errors.parsed({"code": "NotFound", "subcode": "GetAgentPool_NotFound", "message": ""})
    cluster = errors.parsed({"error": {"code": "ResourceNotFound", "message": ""}})

    assert errors.is_pool_gone(404, pool)
    assert not errors.is_pool_gone(404, cluster)
    assert not errors.is_pool_gone(409, pool)
    assert not errors.is_pool_gone(404, errors.decoded("not found"))


def test_every_class_of_failure_has_a_reason_a_remedy_and_a_wait_of_its_own() -> None:
    classes = set(failures.CloudError.__subclasses__())

    assert set(MEANINGS) == classes
    assert len({row.reason for row in MEANINGS.values()}) == len(classes)
    for row in MEANINGS.values():
        assert row.reason.isalnum()
        assert row.remedy
        assert not row.remedy.endswith(".")
        assert 0 < row.first_seconds <= row.last_seconds


def test_waits_double_up_to_their_limit() -> None:
    failure = QuotaExceeded("c", "m")

    waits = [failures.wait_seconds(failure, failures=count) for count in (1, 2, 3, 4, 5, 50)]

    assert waits == [60, 120, 240, 480, 600, 600]


def test_a_failure_is_read_back_from_the_sentence_that_told_of_it() -> None:
    told = QuotaExceeded("c", "Insufficient vcpu quota.")

    back = failures.restored("QuotaExceeded", failures.sentence(told))

    assert isinstance(back, QuotaExceeded)
    assert failures.sentence(back) == failures.sentence(told)
    assert failures.restored("NodeNotFound", "x") is None
