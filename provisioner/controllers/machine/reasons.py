"""Reasons of a claim's conditions that are not a failure of the cloud."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a claim is in the state that it is in; the cloud's own are in `failures.MEANINGS`."""

    ADOPTING = "Adopting"
    """The finalizer is being stored, before anything is bought."""
    INVALID_CLAIM = "InvalidClaim"
    LOOKING = "LookingAtInstances"
    """Waiting for a list of instances that is new enough to act on."""
    LAUNCHING = "Launching"
    NAME_TAKEN = "NameTaken"
    """An instance of that name exists and is not this claim's."""
    INSTANCE_TERMINATING = "InstanceTerminating"
    INSTANCE_GONE = "InstanceGone"
    """It ran, and somebody else deleted it."""
    LAUNCHED = "Launched"

    NODE_NOT_FOUND = "NodeNotFound"
    NODE_GONE = "NodeGone"
    """It had registered, and somebody deleted the Node object."""
    MULTIPLE_NODES = "MultipleNodesFound"
    NODE_REPLACED = "NodeReplaced"
    REGISTERING = "Registering"
    REGISTERED = "Registered"

    NODE_NOT_READY = "NodeNotReady"
    STARTUP_TAINTS = "StartupTaintsExist"
    EPHEMERAL_TAINTS = "KnownEphemeralTaintsExist"
    RESOURCE_NOT_REGISTERED = "ResourceNotRegistered"
    INITIALIZING = "Initializing"
    INITIALIZED = "Initialized"

    LAUNCH_TIMED_OUT = "LaunchTimedOut"
    REGISTRATION_TIMED_OUT = "RegistrationTimedOut"
    INITIALIZATION_TIMED_OUT = "InitializationTimedOut"

    READY = "Ready"
    DRAINING = "Draining"
    TERMINATING = "Terminating"
