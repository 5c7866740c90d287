"""Prometheus series of the engine, under the names that stock dashboards already read.

Names, labels and buckets are those of controller-runtime and client-go; `kaito_…` is
only for what they lack. Children are resolved once by their users: `labels()` costs
more than the increment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from prometheus_client import Counter, Gauge, disable_created_metrics

from kaito.kube.histogram import Histogram

cast("Callable[[], None]", disable_created_metrics)()

_RECONCILE_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8),
    *(0.9, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50),
    60,
)
_QUEUE_BUCKETS = tuple(1e-8 * 10**power for power in range(12))
_SIZE_BUCKETS = (64, 256, 512, 2**10, 2**12, 2**14, 2**16, 2**18, 2**20, 2**22, 2**24)
_CONTROLLER = ("controller",)
_QUEUE = ("name", "controller")

RECONCILES = Counter(
    "controller_runtime_reconcile_total", "Reconciles by result", ("controller", "result")
)
RECONCILE_ERRORS = Counter(
    "controller_runtime_reconcile_errors_total", "Reconciles that raised", _CONTROLLER
)
RECONCILE_TERMINAL_ERRORS = Counter(
    "controller_runtime_terminal_reconcile_errors_total",
    "Reconciles that raised what only the user can mend",
    _CONTROLLER,
)
RECONCILE_PANICS = Counter(
    "controller_runtime_reconcile_panics_total", "Reconciles that met a bug", _CONTROLLER
)
RECONCILE_TIMEOUTS = Counter(
    "controller_runtime_reconcile_timeouts_total",
    "Reconciles that took longer than they may",
    _CONTROLLER,
)
RECONCILES_DEFERRED = Counter(
    "kaito_reconcile_deferred_total",
    "Reconciles put off because a cache was older than the last write for its key",
    _CONTROLLER,
)
RECONCILE_SECONDS = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Duration of a reconcile",
    _CONTROLLER,
    buckets=_RECONCILE_BUCKETS,
)
WORKERS = Gauge("controller_runtime_max_concurrent_reconciles", "Workers", _CONTROLLER)
ACTIVE_WORKERS = Gauge("controller_runtime_active_workers", "Workers at work", _CONTROLLER)

QUEUE_DEPTH = Gauge("workqueue_depth", "Keys that are ready", (*_QUEUE, "priority"))
QUEUE_ADDS = Counter("workqueue_adds_total", "Keys added", _QUEUE)
QUEUE_RETRIES = Counter("workqueue_retries_total", "Keys added after a failure", _QUEUE)
QUEUE_WAIT_SECONDS = Histogram(
    "workqueue_queue_duration_seconds", "From added to taken", _QUEUE, buckets=_QUEUE_BUCKETS
)
QUEUE_WORK_SECONDS = Histogram(
    "workqueue_work_duration_seconds", "From taken to done", _QUEUE, buckets=_QUEUE_BUCKETS
)
QUEUE_UNFINISHED_SECONDS = Gauge(
    "workqueue_unfinished_work_seconds", "Sum of the ages of work in progress", _QUEUE
)
QUEUE_LONGEST_SECONDS = Gauge(
    "workqueue_longest_running_processor_seconds", "Age of the oldest work in progress", _QUEUE
)

REQUESTS = Counter("rest_client_requests_total", "Requests by answer", ("code", "method", "host"))
REQUEST_SECONDS = Histogram(
    "rest_client_request_duration_seconds",
    "From sent to the whole answer read",
    ("verb", "host"),
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60),
)
REQUEST_WAIT_SECONDS = Histogram(
    "rest_client_rate_limiter_duration_seconds",
    "From asked for to sent: requests at a time are limited",
    ("verb", "host"),
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60),
)
REQUEST_BYTES = Histogram(
    "rest_client_request_size_bytes", "Body sent", ("verb", "host"), buckets=_SIZE_BUCKETS
)
RESPONSE_BYTES = Histogram(
    "rest_client_response_size_bytes", "Body received", ("verb", "host"), buckets=_SIZE_BUCKETS
)
REQUEST_RETRIES = Counter(
    "rest_client_request_retries_total", "Requests sent again", ("code", "verb", "host")
)

LEADER = Gauge("leader_election_master_status", "1 while this process leads", ("name",))
LEADER_SLOWPATH = Counter(
    "leader_election_slowpath_total", "Renewals that had to read the lease first", ("name",)
)

INFORMER_OBJECTS = Gauge("kaito_informer_objects", "Objects in a store", ("resource",))
INFORMER_LISTS = Counter(
    "kaito_informer_lists_total", "Full lists, by what made them necessary", ("resource", "reason")
)
INFORMER_READABLE = Gauge(
    "kaito_informer_readable", "0 while a resource cannot be listed", ("resource",)
)
INFORMER_AGE = Gauge(
    "kaito_informer_age_seconds",
    "Since the API server last said anything about a resource",
    ("resource",),
)
CACHE_LAG = Gauge(
    "kaito_cache_lag_resource_versions",
    "How far a cache is behind the newest write that a key of a controller waits for",
    ("controller", "resource"),
)
HANDLER_ERRORS = Counter(
    "kaito_informer_handler_errors_total", "Handlers of changes that met a bug", ("resource",)
)
INFORMER_HEARD = Gauge(
    "kaito_informer_heard_timestamp_seconds",
    "Unix time when the API server last said anything about a resource",
    ("resource",),
)
WRITES_VOID = Counter(
    "kaito_writes_void_total", "Writes of controllers that turned out to change nothing"
)
EVENTS_DROPPED = Counter("kaito_events_dropped_total", "Kubernetes Events not sent", ("reason",))
for _reason in ("object", "queue", "api"):
    EVENTS_DROPPED.labels(_reason)
LOOP_STALLS = Histogram(
    "kaito_loop_stall_seconds",
    "How long the event loop stood still, when it did",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
