"""Words that people know from `kubectl get pods` and `kubectl describe`."""

from __future__ import annotations

CONTAINER_CREATING = "ContainerCreating"
POD_INITIALIZING = "PodInitializing"
IMAGE_PULL_FAILED = "ErrImagePull"
IMAGE_PULL_BACK_OFF = "ImagePullBackOff"
CONFIG_FAILED = "CreateContainerConfigError"
CRASH_LOOP = "CrashLoopBackOff"
START_FAILED = "StartError"
OUT_OF_MEMORY = "OOMKilled"
EVICTED = "Evicted"

PULLED = "Pulled"
CREATED = "Created"
STARTED = "Started"
FAILED = "Failed"
KILLING = "Killing"
UNHEALTHY = "Unhealthy"
BACK_OFF = "BackOff"
MOUNT_FAILED = "FailedMount"
HOOK_FAILED = "FailedPreStopHook"
START_HOOK_FAILED = "FailedPostStartHook"
