"""What each reason means and what helps: the table of the documentation, and of `why`.

The message of a condition names fields and numbers; this table is about the reason alone. A test
compares it with both vocabularies, the Workspace's and that of the claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kaito.nodes.uptake import STILL_SECONDS


class Remedy(NamedTuple):
    """A reason, for people.

    Attributes:
        cause: what has happened, or is going on.
        remedy: what to do about it, in the imperative.
    """

    cause: str
    remedy: str


_WAIT = "nothing to do: it goes on by itself"
_RETRIED = "nothing to do: it is tried again by itself"
_LOGS = "read the container's log: `kubectl logs`, with `--previous` after a restart"

WORKSPACE: Mapping[str, Remedy] = {
    "Reconciling": Remedy("The controller has not looked at the Workspace yet", _WAIT),
    "InvalidSpec": Remedy(
        "The spec cannot be carried out as it stands",
        "change the field that the message names; the next look follows at once",
    ),
    "PlaceholderNotReplaced": Remedy(
        "A field still holds a placeholder of a quick start",
        "put your own value into each field that the message names; where the word is meant so,"
        ' annotate the Workspace with `kaito.sh/bypass-placeholder-checks: "true"`',
    ),
    "UnknownPreset": Remedy(
        "No preset has that name",
        "choose one of those that the message offers, or of `kubectl kaito models`",
    ),
    "UnknownInstanceType": Remedy(
        "The instance type is not in the table of GPU types",
        "check its spelling, or choose one of `kubectl kaito fit MODEL`",
    ),
    "NotEnoughGPUMemory": Remedy(
        "The model does not fit the GPUs that were asked for",
        "choose a type of `kubectl kaito fit MODEL`, more nodes, or a smaller model",
    ),
    "NameTaken": Remedy(
        "An object of the name that is needed exists and belongs to somebody else",
        "delete or rename that object, or give the Workspace another name",
    ),
    "LabelsLost": Remedy(
        "An object of the Workspace has lost labels by which the operator finds it",
        "put them back: the message has the command",
    ),
    "RefusedByAPIServer": Remedy(
        "The API server, or a webhook that it asks, does not let the operator do what is needed",
        "grant the right, raise the quota, install the CRD, correct the field or mend the webhook"
        " that the message names",
    ),
    "Unsupported": Remedy(
        "The spec is legal, and this version, or a setting of the operator's, does not do it",
        "do what the message says, or use a version that does it",
    ),
    "Preflight": Remedy(
        "Images, secrets and registries are looked at before a node is bought",
        f"{_WAIT}; it takes seconds",
    ),
    "PreflightFailed": Remedy(
        "An image, a secret, an input or an output cannot be had or used",
        "do what the message says; it is looked at again each minute",
    ),
    "PreflightSkipped": Remedy(
        "They could not be looked at: no node without taints took the pod, its image cannot be"
        " pulled, or it has failed",
        "nothing to do, unless the workload fails; a node without taints and --artifacts-image of a"
        " registry of yours make the look possible",
    ),
    "AdapterFailed": Remedy(
        "An adapter cannot be fetched, is none that can be served, or is of another model",
        "do what the message says; the pod tries again by itself",
    ),
    "WaitingForMachines": Remedy(
        "Claims were made, and their nodes are on the way",
        f"{_WAIT}; a GPU node takes minutes, and it is said when none has moved for"
        f" {STILL_SECONDS / 60:g}",
    ),
    "NoProvisioner": Remedy(
        "Claims were made, and no provisioner takes them up, or moves them",
        "see that one runs that serves their Kind and class, or set `--claim-kind`; it is seen at"
        " once",
    ),
    "ReplacingMachines": Remedy(
        "A claim came to nothing: it is given back, and another follows",
        f"{_WAIT}; `status.attempts` keeps what was tried",
    ),
    "MachinesReady": Remedy("Every claim has its node", _WAIT),
    "MachineFailed": Remedy(
        "The provisioner could not get a node, and says why",
        "do what the cloud's message asks for (quota, region, another instance type)",
    ),
    "NodesNotReady": Remedy(
        "A node that is to be used is not ready, or there are too few of the user's own",
        f"{_WAIT} once the kubelet reports; where nodes are only brought, label one as it says",
    ),
    "NodesReady": Remedy("All nodes are ready", _WAIT),
    "Applying": Remedy("The workload is being written", _WAIT),
    "WorkloadProgressing": Remedy(
        "Pods pull the image, load the model or start to answer",
        f"{_WAIT}; a large image or model takes minutes",
    ),
    "ImagePullError": Remedy(
        "A node cannot pull the image",
        "check its name and tag, that nodes reach the registry, and the pull secrets",
    ),
    "VolumeNotMounted": Remedy(
        "A volume of a pod cannot be mounted",
        "create the ConfigMap, Secret or disk that the message names, or correct its name",
    ),
    "ContainerStartError": Remedy(
        "The kubelet cannot start a container",
        "create the secret or ConfigMap, or correct the command, that the message names",
    ),
    "ContainerOOMKilled": Remedy(
        "A container used more memory than it may",
        "raise the limit that the message names, or choose a larger type or a smaller model",
    ),
    "ContainerCrashLoopBackOff": Remedy("A container ends again and again", _LOGS),
    "StartupProbeFailed": Remedy(
        "A container did not begin to answer within its time",
        "see how far it got: `kubectl logs --previous`; a slow disk or download may need longer",
    ),
    "NotAnswering": Remedy("A container runs, and its readiness probe does not pass", _LOGS),
    "PodEvicted": Remedy(
        "A node ended a pod",
        "look at what the node lacks (disk, memory): `kubectl describe node`; a new pod follows",
    ),
    "PodsRefused": Remedy(
        "The API server admits no pods of the workload",
        "raise the namespace's quota, or allow its pod security level, as the message says",
    ),
    "Unschedulable": Remedy(
        "No node has room for a pod",
        "free GPUs on the selected nodes, or look at their taints and labels",
    ),
    "WorkloadReady": Remedy("The workload answers", _WAIT),
    "Tuning": Remedy("The model is being tuned", f"{_WAIT}; the Job's log shows how far it is"),
    "NodesReleased": Remedy(
        "The tuning is done, and the nodes that were bought for it are given back", "nothing to do"
    ),
    "TrainingConfigInvalid": Remedy(
        "A training parameter does not exist, or does not take that value",
        "correct the parameter that the message names in the ConfigMap of `tuning.config`",
    ),
    "DataUnavailable": Remedy(
        "The data set cannot be fetched",
        "check the URL, image or volume of `tuning.input`, and that nodes reach it",
    ),
    "DataUnusable": Remedy(
        "The data set is there and has not the form that tuning needs",
        "name the columns, or give the file the form, that the message asks for",
    ),
    "ModelUnavailable": Remedy(
        "The model's weights cannot be had",
        "check the hub's token and address, or the image that holds the weights",
    ),
    "OutOfMemory": Remedy(
        "The GPU has not enough memory for this training",
        "choose a smaller batch or sequence, `qlora`, or a larger instance type",
    ),
    "TrainingFailed": Remedy("The training program failed", _LOGS),
    "PushFailed": Remedy(
        "The adapter could not be pushed to the registry",
        "check `tuning.output.image` and the push secret's right to write there",
    ),
    "WorkspaceReady": Remedy("The Workspace does what it should", "nothing to do"),
    "WorkspacePending": Remedy("An earlier stage is not done", _WAIT),
    "WorkloadDeleting": Remedy("Pods are ending, before their nodes go", _WAIT),
    "MachinesDeleting": Remedy(
        "Nodes are being drained and given back",
        f"{_WAIT}; a pod that may not be evicted holds its node up",
    ),
    "Finalizing": Remedy("Nothing is left: the object goes", _WAIT),
}
"""Of conditions and Events of a Workspace."""

CLAIM: Mapping[str, Remedy] = {
    "Adopting": Remedy("The claim is being marked as ours, before anything is bought", _WAIT),
    "InvalidClaim": Remedy(
        "The claim asks for something that no agent pool can be",
        "delete it and create one that names one instance type in its requirements",
    ),
    "LookingAtInstances": Remedy("A fresh list of agent pools is waited for", _WAIT),
    "Launching": Remedy("Azure is creating the agent pool", f"{_WAIT}; it takes minutes"),
    "NameTaken": Remedy(
        "An agent pool of that name exists and is not this claim's",
        "delete that agent pool if nobody needs it, or the claim",
    ),
    "AgentPoolLimit": Remedy(
        "The cluster has as many agent pools as AKS allows",
        "delete Workspaces that are not needed, or use a further cluster",
    ),
    "InstanceTerminating": Remedy(
        "An agent pool of that name is still on its way out", f"{_WAIT}; then it is made anew"
    ),
    "InstanceGone": Remedy(
        "The agent pool ran, and somebody else deleted or replaced it",
        "delete the claim; a Workspace makes another by itself",
    ),
    "Launched": Remedy("The instance runs", _WAIT),
    "NodeNotFound": Remedy(
        "The instance runs, and no node of it has joined",
        f"{_WAIT}; if it lasts, look at the instance's boot log and the subnet's rules",
    ),
    "NodeGone": Remedy(
        "The node had joined, and somebody deleted the Node object",
        "delete the claim; a Workspace makes another by itself",
    ),
    "MultipleNodesFound": Remedy(
        "Several nodes carry the pool's name", "scale the agent pool back to one node"
    ),
    "NodeReplaced": Remedy(
        "Another machine took the node's place",
        "delete the claim; a Workspace makes another by itself",
    ),
    "Registering": Remedy("The node has joined and is being marked", _WAIT),
    "Registered": Remedy("The node carries the claim's labels and taints", _WAIT),
    "NodeNotReady": Remedy("The kubelet does not say that the node is ready", _WAIT),
    "StartupTaintsExist": Remedy(
        "A startup taint is still on the node",
        "see who should remove the taint that the message names",
    ),
    "KnownEphemeralTaintsExist": Remedy("The node is still being set up", _WAIT),
    "ResourceNotRegistered": Remedy(
        "The node is ready and does not report its GPUs",
        "see that the NVIDIA device plugin and driver run on it (manifests/components)",
    ),
    "Initializing": Remedy("The node is ready, the last checks go on", _WAIT),
    "Initialized": Remedy("The node can be used", _WAIT),
    "LaunchTimedOut": Remedy(
        "Azure had no instance within the deadline",
        "look at the cluster's activity log; choose another instance type or region",
    ),
    "RegistrationTimedOut": Remedy(
        "The instance runs, and its node did not join within the deadline",
        "look at the instance's boot log, and that its subnet reaches the API server",
    ),
    "InitializationTimedOut": Remedy(
        "The node joined, and had no GPUs by its deadline, was not ready or kept a taint",
        "do what the message says: it names the device plugin, the kubelet or the taint",
    ),
    "Ready": Remedy("The node is there and usable", "nothing to do"),
    "Draining": Remedy(
        "Pods are being evicted from the node",
        "look at the PodDisruptionBudget of a pod that stays; the deadline ends the wait",
    ),
    "Terminating": Remedy("Azure is deleting the agent pool", _WAIT),
    "CapacityUnavailable": Remedy(
        "Azure has no such machine free in the region now",
        "choose another instance type (`resource.instanceTypes` lists several), region or zone",
    ),
    "QuotaExceeded": Remedy(
        "The subscription may not run that many vCPUs of the family",
        "ask for more in the Azure portal (Quotas), or free some",
    ),
    "SkuUnavailable": Remedy(
        "The size is not sold in the region, or not to this subscription",
        "choose one that is: `az vm list-skus --location REGION --size SIZE`",
    ),
    "OperationInProgress": Remedy("The cluster is busy with another operation", _RETRIED),
    "InstanceExists": Remedy("An agent pool of that name is there already", _RETRIED),
    "CloudThrottled": Remedy("Azure asks for fewer requests", _RETRIED),
    "CloudDenied": Remedy(
        "Azure does not accept the provisioner's identity, or does not let it act",
        "check the federated credential, and the role Contributor on the cluster",
    ),
    "ClusterMissing": Remedy(
        "The AKS cluster is not where the settings say",
        "check ARM_SUBSCRIPTION_ID, ARM_RESOURCE_GROUP and AZURE_CLUSTER_NAME",
    ),
    "InvalidRequest": Remedy(
        "Azure can never accept the request as it stands",
        "delete the claim and ask for something else, as the message says",
    ),
    "LaunchFailed": Remedy(
        "The agent pool failed, and Azure does not say why, or with a code that has no reason here",
        "look at the cluster's activity log; it is tried again",
    ),
    "CloudUnavailable": Remedy(
        "Azure does not answer, or has trouble of its own",
        f"{_RETRIED}; if it lasts, check the way to the ARM endpoint",
    ),
}
"""Of conditions and Events of Machines and NodeClaims; another provisioner has its own."""

_UNBOUGHT = "look at the claim that follows: its conditions say how far it is"
ELSEWHERE: Mapping[str, Remedy] = {
    "NotObserved": Remedy(
        "`why`: no controller has looked at the present spec, or no provisioner at the claim",
        "wait for seconds; then see that it runs, and read its log",
    ),
    "ModelLoading": Remedy(
        "`why`: a container has started and does not answer yet",
        f"{_WAIT}; a large model takes minutes",
    ),
    "ClaimDeleted": Remedy("`status.attempts`: somebody else deleted the claim", _UNBOUGHT),
    "NeverLaunched": Remedy(
        "`status.attempts`: somebody else deleted the NodeClaim before its node was launched, as"
        " Karpenter does where there is no capacity, or no NodeClass that is ready; another type"
        " follows at once, and the same one after 10 s, 1 min, 5 min, then each 15 min",
        "`kubectl get events -A --field-selector involvedObject.name=CLAIM` says why, for an hour",
    ),
    "NodeLost": Remedy("`status.attempts`: the node was not ready for too long", _UNBOUGHT),
    "MachineNotLaunched": Remedy("Condition of a Machine: it is not this stage's turn yet", _WAIT),
    "AwaitingReconciliation": Remedy("The same, of a NodeClaim", _WAIT),
    "InstanceOrphaned": Remedy(
        "Event about a claim that is gone: its agent pool is still there",
        f"{_WAIT}; with `--garbage-action=report`, delete the pool",
    ),
    "NodeOrphaned": Remedy(
        "Event about a node that has no agent pool",
        f"{_WAIT}; with `--garbage-action=report`, delete the Node",
    ),
}
"""Of other places, which the cause begins with. `why` itself says the Workspace's remedy there."""

_OWN_WORDS = "the message says what to do; the object's Events say more: `kubectl describe`"


def remedy_of(reason: str, *, otherwise: str = "") -> str:
    """What helps against a reason, else against the `otherwise` one that is known."""
    for asked in (reason, otherwise):
        found = WORKSPACE.get(asked) or CLAIM.get(asked)
        if found:
            return found.remedy
    return _OWN_WORDS
