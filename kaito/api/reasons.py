"""Reasons of conditions and Events: the closed vocabulary that users and dashboards read."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a Workspace is in the state that it is in."""

    RECONCILING = "Reconciling"
    """Not looked at yet."""
    INVALID_SPEC = "InvalidSpec"
    """The spec cannot be carried out; the message names the field and the remedy."""
    PLACEHOLDER = "PlaceholderNotReplaced"
    """A field still holds a placeholder of the quick start."""
    UNKNOWN_PRESET = "UnknownPreset"
    UNKNOWN_INSTANCE_TYPE = "UnknownInstanceType"
    NOT_ENOUGH_MEMORY = "NotEnoughGPUMemory"
    NAME_TAKEN = "NameTaken"
    """An object of the name that we need belongs to somebody else."""
    LABELS_LOST = "LabelsLost"
    """An object of ours has lost labels by which it is found; the message puts them back."""
    API_REFUSED = "RefusedByAPIServer"
    """The API server does not let the operator do what the plan says: a right, a quota, a CRD."""
    UNSUPPORTED = "Unsupported"
    """Legal, but this version, or a setting of the operator's, does not do it."""

    PREFLIGHT = "Preflight"
    """Images, secrets and registries are looked at before a node is bought."""
    PREFLIGHT_FAILED = "PreflightFailed"
    """One of them cannot be had; the message names the field, the answer and the remedy."""
    PREFLIGHT_SKIPPED = "PreflightSkipped"
    """They could not be looked at."""
    ADAPTER_FAILED = "AdapterFailed"
    """An adapter cannot be fetched, or served; the message names field, answer and remedy."""

    WAITING_FOR_MACHINES = "WaitingForMachines"
    NO_PROVISIONER = "NoProvisioner"
    """A claim is there, and nobody carries it out, or goes on with it."""
    REPLACING_MACHINES = "ReplacingMachines"
    """A claim came to nothing: it is given back, and another follows."""
    MACHINES_READY = "MachinesReady"
    MACHINE_FAILED = "MachineFailed"
    """The provisioner reports a failure; the message is the cloud's."""
    NODES_NOT_READY = "NodesNotReady"
    NODES_READY = "NodesReady"

    APPLYING = "Applying"
    WORKLOAD_PROGRESSING = "WorkloadProgressing"
    IMAGE_PULL_ERROR = "ImagePullError"
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"
    """A ConfigMap, a Secret or a disk is missing that a volume comes from."""
    CONTAINER_START_ERROR = "ContainerStartError"
    """The kubelet cannot start a container: a missing secret, a command that is not there."""
    CONTAINER_OOM_KILLED = "ContainerOOMKilled"
    CONTAINER_CRASH_LOOP = "ContainerCrashLoopBackOff"
    STARTUP_PROBE_FAILED = "StartupProbeFailed"
    NOT_ANSWERING = "NotAnswering"
    """The server has started, and its readiness probe does not pass."""
    POD_EVICTED = "PodEvicted"
    PODS_REFUSED = "PodsRefused"
    """The API server admits no pods of the workload: a quota, a pod security level."""
    UNSCHEDULABLE = "Unschedulable"
    WORKLOAD_READY = "WorkloadReady"

    TUNING = "Tuning"
    """The Job's pod runs."""
    NODES_RELEASED = "NodesReleased"
    """The tuning is done, and the nodes that were bought for it are given back."""
    TRAINING_CONFIG_INVALID = "TrainingConfigInvalid"
    """A parameter that does not exist, or a value that it does not take."""
    DATA_UNAVAILABLE = "DataUnavailable"
    DATA_UNUSABLE = "DataUnusable"
    MODEL_UNAVAILABLE = "ModelUnavailable"
    GPU_OUT_OF_MEMORY = "OutOfMemory"
    TRAINING_FAILED = "TrainingFailed"
    PUSH_FAILED = "PushFailed"
    """The adapter is there, and its registry or volume does not take it."""

    READY = "WorkspaceReady"
    WAITING = "WorkspacePending"
    """An earlier stage is not done."""
    WORKLOAD_DELETING = "WorkloadDeleting"
    MACHINES_DELETING = "MachinesDeleting"
    FINALIZING = "Finalizing"


WARNINGS = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.PLACEHOLDER,
        Reason.UNKNOWN_PRESET,
        Reason.UNKNOWN_INSTANCE_TYPE,
        Reason.NOT_ENOUGH_MEMORY,
        Reason.NAME_TAKEN,
        Reason.LABELS_LOST,
        Reason.API_REFUSED,
        Reason.UNSUPPORTED,
        Reason.PREFLIGHT_FAILED,
        Reason.PREFLIGHT_SKIPPED,
        Reason.ADAPTER_FAILED,
        Reason.MACHINE_FAILED,
        Reason.NO_PROVISIONER,
        Reason.IMAGE_PULL_ERROR,
        Reason.VOLUME_NOT_MOUNTED,
        Reason.CONTAINER_START_ERROR,
        Reason.CONTAINER_OOM_KILLED,
        Reason.CONTAINER_CRASH_LOOP,
        Reason.STARTUP_PROBE_FAILED,
        Reason.NOT_ANSWERING,
        Reason.POD_EVICTED,
        Reason.PODS_REFUSED,
        Reason.UNSCHEDULABLE,
        Reason.TRAINING_CONFIG_INVALID,
        Reason.DATA_UNAVAILABLE,
        Reason.DATA_UNUSABLE,
        Reason.MODEL_UNAVAILABLE,
        Reason.GPU_OUT_OF_MEMORY,
        Reason.TRAINING_FAILED,
        Reason.PUSH_FAILED,
    }
)
"""Reasons that a person may have to act on: their Events are Warnings."""

TERMINAL = WARNINGS - {
    Reason.NO_PROVISIONER,
    Reason.NOT_ANSWERING,
    Reason.POD_EVICTED,
    Reason.PREFLIGHT_SKIPPED,
    Reason.UNSCHEDULABLE,
}
"""Reasons that waiting alone does not mend: the Workspace is Stalled, not Reconciling."""
