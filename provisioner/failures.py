"""What can go wrong in the cloud, as classes, and what each class means for a claim.

    OperatorError
    └── CloudError(code, message)
        ├── CapacityUnavailable    no such machine is free in the region now
        ├── QuotaExceeded          the subscription may not run that many vCPUs
        ├── ClusterFull            the cluster has as many instances as it may have
        ├── SkuUnavailable         the size is not sold here, or not to us
        ├── OperationInProgress    the cluster or the pool is busy with something else
        ├── InstanceExists         create-only, and there is one of that name already
        ├── CloudThrottled         too many requests; says when to come back
        ├── CloudDenied            the identity may not do that, or is not accepted
        ├── ClusterMissing         the cluster itself is not where the settings say
        ├── BadRequest             the request can never be accepted as it stands
        ├── LaunchFailed           accepted, then failed, for a reason that has no class here
        └── CloudUnavailable       no answer, or one that is the cloud's own trouble

A reader never looks at the text: the class carries the meaning, and `MEANINGS` is the only
place that says which condition reason, which remedy and which back-off a class stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kaito.kube.errors import OperatorError


class CloudError(OperatorError):
    """An answer of the cloud that is not a success.

    Attributes:
        code: the cloud's own word, e.g. "ErrCode_InsufficientVCPUQuota".
        message: the cloud's own sentence, for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class CapacityUnavailable(CloudError):
    """No such machine is free in the region or zone now."""


class QuotaExceeded(CloudError):
    """The subscription may not run that many vCPUs of the family."""


class ClusterFull(CloudError):
    """The cluster has as many instances as it may have; no quota changes that."""


class SkuUnavailable(CloudError):
    """The size is not sold in the region, or not to this subscription."""


class OperationInProgress(CloudError):
    """The cluster or the pool is busy with another operation."""


class InstanceExists(CloudError):
    """A create-only request met an instance of that name."""


class CloudThrottled(CloudError):
    """Too many requests.

    Attributes:
        retry_after_seconds: what the cloud asked for; a guess when it did not say.
    """

    def __init__(self, code: str, message: str, *, retry_after_seconds: float = 30.0) -> None:
        super().__init__(code, message)
        self.retry_after_seconds = retry_after_seconds


class CloudDenied(CloudError):
    """The identity is not accepted, or may not do that."""


class ClusterMissing(CloudError):
    """The cluster, its resource group or subscription is not there: a wrong setting."""


class BadRequest(CloudError):
    """The request can never be accepted as it stands."""


class LaunchFailed(CloudError):
    """The instance failed, and the cloud gives no code for it that is known here."""


class CloudUnavailable(CloudError):
    """No answer, or one that is the cloud's own trouble; whether it acted is not known."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a class of failure means for a claim.

    Attributes:
        reason: of the condition and the Event.
        remedy: one sentence that says what a person can do; no trailing period.
        first_seconds: wait after the first failure; doubles with each further one.
        last_seconds: longest wait.
        permanent: the claim can never be carried out: no further try.
        failed: the condition is False; else Unknown, because waiting may be all it takes.
    """

    reason: str
    remedy: str
    first_seconds: float
    last_seconds: float
    permanent: bool = False
    failed: bool = True


MEANINGS: Mapping[type[CloudError], Meaning] = {
    CapacityUnavailable: Meaning(
        "CapacityUnavailable",
        "Choose another instance type, region or zone, or wait for capacity",
        first_seconds=60,
        last_seconds=600,
    ),
    QuotaExceeded: Meaning(
        "QuotaExceeded",
        "Ask for more vCPU quota of this family in the Azure portal (Quotas), or free some",
        first_seconds=60,
        last_seconds=600,
    ),
    ClusterFull: Meaning(
        "AgentPoolLimit",
        "Delete a workspace or an agent pool that is not needed, or use a further cluster;"
        " it is tried again",
        first_seconds=60,
        last_seconds=600,
    ),
    SkuUnavailable: Meaning(
        "SkuUnavailable",
        "Choose an instance type that is sold to this subscription in this region"
        " (`az vm list-skus --location REGION --size SIZE`)",
        first_seconds=600,
        last_seconds=600,
        permanent=True,
    ),
    OperationInProgress: Meaning(
        "OperationInProgress",
        "Nothing to do: it is tried again when the other operation has ended",
        first_seconds=10,
        last_seconds=60,
        failed=False,
    ),
    InstanceExists: Meaning(
        "InstanceExists",
        "Nothing to do: the agent pools are looked at again",
        first_seconds=2,
        last_seconds=60,
        failed=False,
    ),
    CloudThrottled: Meaning(
        "CloudThrottled",
        "Nothing to do: it is tried again when the cloud allows",
        first_seconds=1,
        last_seconds=60,
        failed=False,
    ),
    CloudDenied: Meaning(
        "CloudDenied",
        "Check the federated credential of the provisioner's identity, or who else it signs in as"
        " (--credential), and that it has the role Contributor on the cluster",
        first_seconds=60,
        last_seconds=300,
    ),
    ClusterMissing: Meaning(
        "ClusterMissing",
        "Check ARM_SUBSCRIPTION_ID, ARM_RESOURCE_GROUP and AZURE_CLUSTER_NAME of the provisioner",
        first_seconds=60,
        last_seconds=300,
    ),
    BadRequest: Meaning(
        "InvalidRequest",
        "Delete the claim and create one that the cloud accepts",
        first_seconds=600,
        last_seconds=600,
        permanent=True,
    ),
    LaunchFailed: Meaning(
        "LaunchFailed",
        "Look at the cluster's activity log; it is tried again",
        first_seconds=60,
        last_seconds=600,
    ),
    CloudUnavailable: Meaning(
        "CloudUnavailable",
        "Nothing to do unless it lasts: check the way to the ARM endpoint",
        first_seconds=2,
        last_seconds=300,
        failed=False,
    ),
}


def meaning(failure: CloudError) -> Meaning:
    """What this failure means; a class without a row of its own is the cloud's trouble."""
    return MEANINGS.get(type(failure), MEANINGS[CloudUnavailable])


def wait_seconds(failure: CloudError, *, failures: int) -> float:
    """How long to leave the cloud alone after failure number `failures` (from 1) in a row."""
    row = meaning(failure)
    doubled = row.first_seconds * 2.0 ** min(max(failures - 1, 0), 20)
    asked = failure.retry_after_seconds if isinstance(failure, CloudThrottled) else 0.0
    return max(asked, min(row.last_seconds, doubled))


def sentence(failure: CloudError) -> str:
    """What happened and what to do, for a condition and an Event."""
    return f"{failure.message.rstrip('. ')}. {meaning(failure).remedy}"


OVERDUE = "Overdue: "
"""How the sentence begins where waiting has been no answer for too long."""


def restored(reason: str, message: str) -> CloudError | None:
    """The failure that a condition tells of, after a restart; None when it tells of none.

    Its class is what matters: it decides whether and when there is another try.
    """
    for kind, row in MEANINGS.items():
        if row.reason == reason:
            said = message.removeprefix(OVERDUE).removesuffix(f". {row.remedy}")
            return kind("Restored", said)
    return None
