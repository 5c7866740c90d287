"""What ARM refuses of a pool: names, labels, taints, tags, numbers, words and changes.

Source: the REST reference of agent pools and the limits pages of AKS and Azure tags. A field
that the API does not have is refused too, so that a misspelt one shows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from pydantic import JsonValue

from hack.cluster.arm import refusals
from hack.cluster.arm.pools import Pool, Properties

POOL_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
MODES = ("System", "User", "Gateway")
MAX_COUNT = 1000
MAX_DISK_GIB = 2048
MAX_TAGS = 50
MAX_TAG_NAME = 512
MAX_TAG_VALUE = 256
ZONES = ("1", "2", "3")
FORBIDDEN_IN_TAG_NAMES = frozenset("<>%&\\?/")

RESERVED_LABEL_PREFIXES = ("kubernetes.azure.com", "kubernetes.io")
"""AKS sets these itself and lets nobody else."""
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_MAX_PREFIX, _MAX_NAME = 253, 63
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

CHOICES: Mapping[str, Collection[str]] = {
    "mode": MODES,
    "type": ("VirtualMachineScaleSets", "AvailabilitySet", "VirtualMachines"),
    "osType": ("Linux", "Windows"),
    "osDiskType": ("Managed", "Ephemeral"),
    "scaleSetPriority": ("Regular", "Spot"),
    "scaleDownMode": ("Delete", "Deallocate"),
    "osSKU": (
        *("Ubuntu", "Ubuntu2204", "Ubuntu2404", "AzureLinux", "AzureLinux3", "CBLMariner"),
        *("AzureContainerLinux", "Windows2019", "Windows2022", "Windows2025"),
    ),
}
"""Fields with a closed set of words."""

IMMUTABLE = (
    *("availabilityZones", "gpuInstanceProfile", "kubeletDiskType", "maxPods", "osDiskSizeGB"),
    *("osDiskType", "osType", "scaleSetPriority", "type", "vmSize", "vnetSubnetID"),
)
"""Fields that stay as they were created."""

READ_ONLY = frozenset(
    ("currentOrchestratorVersion", "eTag", "nodeImageVersion", "provisioningState", "status")
)
"""Fields that the provider alone writes; in a request they are passed over."""

FIELDS = READ_ONLY.union(
    CHOICES,
    IMMUTABLE,
    ("artifactStreamingProfile", "capacityReservationGroupID", "count", "creationData"),
    ("enableAutoScaling", "enableEncryptionAtHost", "enableFIPS", "enableNodePublicIP"),
    ("enableUltraSSD", "gatewayProfile", "gpuProfile", "hostGroupID", "kubeletConfig"),
    ("linuxOSConfig", "localDNSProfile", "maxCount", "messageOfTheDay", "minCount"),
    ("networkProfile", "nodeLabels", "nodePublicIPPrefixID", "nodeTaints"),
    ("orchestratorVersion", "podIPAllocationMode", "podSubnetID", "powerState"),
    ("proximityPlacementGroupID", "scaleSetEvictionPolicy", "securityProfile"),
    ("spotMaxPrice", "tags", "upgradeSettings", "virtualMachineNodesStatus"),
    ("virtualMachinesProfile", "windowsProfile", "workloadRuntime"),
)
"""Every field of a pool's properties in api-version 2026-08-01."""


def check_name(name: str) -> None:
    """Raise a refusal unless this may be a Linux pool's name."""
    if not POOL_NAME.fullmatch(name):
        message = f"'{name}' is no agent pool name: it must match ^{POOL_NAME.pattern}$."
        raise refusals.invalid(message, target="agentPoolName")


def check_properties(properties: Properties, *, sizes: Collection[str], location: str) -> None:
    """Raise a refusal unless a pool may have these properties.

    Args:
        properties: as the request has them.
        sizes: the VM sizes that the region sells.
        location: the region, for the words of the refusal.
    """
    for name in properties:
        if name not in FIELDS:
            raise refusals.invalid(f'unknown field "{name}"', code="UnmarshalError")
    vm_size = properties.get("vmSize")
    if not isinstance(vm_size, str) or not vm_size:
        raise refusals.invalid("The VM size is missing.", target="properties.vmSize")
    if vm_size not in sizes:
        raise refusals.size_not_allowed(vm_size, location=location)
    least = 1 if properties.get("mode") == "System" else 0
    _check_number(properties, "count", MAX_COUNT, least=least)
    _check_number(properties, "osDiskSizeGB", MAX_DISK_GIB)
    for name, words in CHOICES.items():
        if name in properties and properties[name] not in words:
            message = f"{properties[name]!r} is none of {', '.join(words)}."
            raise refusals.invalid(message, target=f"properties.{name}")
    _check_zones(properties.get("availabilityZones"))
    _check_labels(properties.get("nodeLabels"))
    _check_taints(properties.get("nodeTaints"))
    _check_tags(properties.get("tags"))


def check_change(old: Properties, new: Properties) -> None:
    """Raise a refusal if something changes that cannot."""
    for name in IMMUTABLE:
        if old.get(name) != new.get(name):
            raise refusals.property_changed(name, old=old.get(name), new=new.get(name))


def check_preconditions(name: str, pool: Pool | None, *, if_match: str, if_none_match: str) -> None:
    """Raise a refusal unless the conditional headers hold; "" for a header that is absent."""
    if if_match and (pool is None or not _names(if_match, pool)):
        raise refusals.etag_mismatch(name)
    if if_none_match and pool is not None and _names(if_none_match, pool):
        raise refusals.etag_mismatch(name)


def _names(header: str, pool: Pool) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or pool.etag in tags


def _check_number(properties: Properties, name: str, most: int, *, least: int = 0) -> None:
    value = properties.get(name, least)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not least <= int(str(value)) <= most:
        message = f"{value!r} is no whole number from {least} to {most}."
        raise refusals.invalid(message, target=f"properties.{name}")


def _strings(value: JsonValue, name: str) -> dict[str, str]:
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise refusals.invalid("It must be an object.", target=f"properties.{name}")
    texts = {key: text for key, text in value.items() if isinstance(text, str)}
    if len(texts) != len(value):
        raise refusals.invalid("Each value must be a string.", target=f"properties.{name}")
    return texts


def _check_labels(labels: JsonValue) -> None:
    for key, value in _strings(labels, "nodeLabels").items():
        _check_key(key, "nodeLabels")
        _check_value(value, "nodeLabels")
        if key.partition("/")[0] in RESERVED_LABEL_PREFIXES and "/" in key:
            raise refusals.invalid(f"Label {key} is reserved.", target="properties.nodeLabels")


def _check_key(key: str, field: str) -> None:
    prefix, slash, name = key.rpartition("/")
    prefixed = bool(_PREFIX.fullmatch(prefix)) and len(prefix) <= _MAX_PREFIX
    if (slash and not prefixed) or not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
        raise refusals.invalid(f"{key!r} is no legal key.", target=f"properties.{field}")


def _check_value(value: str, field: str) -> None:
    if value and (not _NAME.fullmatch(value) or len(value) > _MAX_NAME):
        raise refusals.invalid(f"{value!r} is no legal value.", target=f"properties.{field}")


def _check_zones(zones: JsonValue) -> None:
    for zone in zones if isinstance(zones, list) else ():
        if zone not in ZONES:
            message = f"{zone!r} is no availability zone: {', '.join(ZONES)}."
            raise refusals.invalid(message, target="properties.availabilityZones")


def _check_taints(taints: JsonValue) -> None:
    if not isinstance(taints, list | None):
        raise refusals.invalid("It must be a list.", target="properties.nodeTaints")
    for taint in taints or ():
        pair, _, effect = str(taint).rpartition(":")
        if not isinstance(taint, str) or effect not in TAINT_EFFECTS:
            message = f"{taint!r} is no taint of the form key=value:Effect."
            raise refusals.invalid(message, target="properties.nodeTaints")
        key, _, value = pair.partition("=")
        _check_key(key, "nodeTaints")
        _check_value(value, "nodeTaints")


def _check_tags(tags: JsonValue) -> None:
    texts = _strings(tags, "tags")
    if len(texts) > MAX_TAGS:
        message = f"{len(texts)} tags are more than {MAX_TAGS}."
        raise refusals.invalid(message, target="properties.tags", code="InvalidTags")
    for name, value in texts.items():
        if not name or len(name) > MAX_TAG_NAME or FORBIDDEN_IN_TAG_NAMES.intersection(name):
            message = f"{name!r} is no tag name: 1 to {MAX_TAG_NAME} characters, none of <>%&\\?/."
            code = "InvalidTagNameCharacters"
            raise refusals.invalid(message, target="properties.tags", code=code)
        if len(value) > MAX_TAG_VALUE:
            message = f"The value of tag {name!r} is longer than {MAX_TAG_VALUE} characters."
            raise refusals.invalid(message, target="properties.tags", code="InvalidTagValue")
