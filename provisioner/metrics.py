"""Prometheus series of the provisioner; Karpenter's names where it has one."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CLOUD_CALL_SECONDS = Histogram(
    "kaito_cloud_call_seconds",
    "From sent to answered, of one request to the cloud",
    ("operation", "outcome"),
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
PREFLIGHTS_SKIPPED = Counter(
    "kaito_preflights_skipped",
    "Launches that asked for a machine without having looked at the quota, and why",
    ("reason",),
)
INSTANCES = Gauge("kaito_instances", "Instances that carry our mark, by state", ("state",))
LISTED = Gauge(
    "kaito_instances_listed_timestamp_seconds", "Unix time of the last complete list of instances"
)
LAUNCHED = Counter("karpenter_machines_launched", "Claims whose instance runs", ("kind",))
REGISTERED = Counter("karpenter_machines_registered", "Claims whose node joined", ("kind",))
INITIALIZED = Counter("karpenter_machines_initialized", "Claims whose node is usable", ("kind",))
TERMINATED = Counter("karpenter_machines_terminated", "Claims given back", ("kind",))
FAILED = Counter("kaito_claims_failed", "Claims that came to a failure", ("kind", "reason"))
LEFTOVERS = Gauge("kaito_orphans", "Leftovers that are there now", ("kind",))
LEFTOVER_AGE = Gauge(
    "kaito_orphan_age_seconds", "Age of the oldest leftover; 0 when there is none", ("kind",)
)
ORPHANS = Counter("kaito_orphans_deleted", "Leftovers that were removed", ("kind",))
