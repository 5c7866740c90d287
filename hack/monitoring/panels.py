"""What the dashboards show: each panel a title, a unit, and queries with their legends."""

from __future__ import annotations

from dataclasses import dataclass

OURS = 'controller=~"workspace|address|machines|nodeclaims"'


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and how its series are named."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: a noun phrase.
        unit: Grafana's name of the unit: short, s, percentunit, bytes, reqps.
        queries: what it draws.
        stat: one number in large letters instead of lines.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    stat: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Attributes:
        name: its file and uid.
        title: what Grafana lists.
        panels: from left to right, from top to bottom.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]


def _p95(metric: str, by: str) -> str:
    """The 95th percentile of a histogram over five minutes."""
    return f"histogram_quantile(0.95, sum by ({by}, le) (rate({metric}_bucket[5m])))"


OPERATOR = Dashboard(
    "operator",
    "KAITO / operator",
    (
        Panel(
            "Leaders",
            "short",
            (
                Query(
                    'sum by (name) (leader_election_master_status{name=~"kaito|provisioner"})',
                    "{{name}}",
                ),
            ),
            stat=True,
        ),
        Panel(
            "Workspaces by state",
            "short",
            (Query("sum by (state) (kaito_workspaces)", "{{state}}"),),
            stat=True,
        ),
        Panel(
            "Reconciles",
            "reqps",
            (
                Query(
                    "sum by (controller, result)"
                    f" (rate(controller_runtime_reconcile_total{{{OURS}}}[5m]))",
                    "{{controller}} {{result}}",
                ),
            ),
        ),
        Panel(
            "Duration of a reconcile, 95th percentile",
            "s",
            (
                Query(
                    _p95("controller_runtime_reconcile_time_seconds", "controller"),
                    "{{controller}}",
                ),
            ),
        ),
        Panel(
            "Keys that are ready",
            "short",
            (Query("sum by (controller) (workqueue_depth)", "{{controller}}"),),
        ),
        Panel(
            "Wait in the queue, 95th percentile",
            "s",
            (Query(_p95("workqueue_queue_duration_seconds", "controller"), "{{controller}}"),),
        ),
        Panel(
            "Requests to the API server",
            "reqps",
            (
                Query(
                    "sum by (method, code) (rate(rest_client_requests_total[5m]))",
                    "{{method}} {{code}}",
                ),
            ),
        ),
        Panel(
            "Age of caches",
            "s",
            (Query("max by (resource) (kaito_informer_age_seconds)", "{{resource}}"),),
        ),
        Panel(
            "Objects in caches",
            "short",
            (Query("max by (resource) (kaito_informer_objects)", "{{resource}}"),),
        ),
        Panel(
            "Pauses of the event loop, 95th percentile",
            "s",
            (Query(_p95("kaito_loop_stall_seconds", "pod"), "{{pod}}"),),
        ),
        Panel(
            "Memory",
            "bytes",
            (Query('process_resident_memory_bytes{container=~"kaito|provisioner"}', "{{pod}}"),),
        ),
    ),
)

PROVISIONING = Dashboard(
    "provisioning",
    "KAITO / provisioning and cost",
    (
        Panel(
            "GPUs that are paid for",
            "short",
            (Query("sum by (state) (kaito_gpus)", "{{state}}"),),
            stat=True,
        ),
        Panel(
            "Idle GPUs by instance type",
            "short",
            (Query('sum by (instance_type) (kaito_gpus{state="idle"})', "{{instance_type}}"),),
        ),
        Panel(
            "Idle GPU hours, last day",
            "h",
            (
                Query(
                    'sum by (instance_type) (sum_over_time(kaito_gpus{state="idle"}[1d:1m])) / 60',
                    "{{instance_type}}",
                ),
            ),
            stat=True,
        ),
        Panel(
            "What Workspaces wait for",
            "short",
            (Query('sum by (reason) (kaito_workspaces{state!="Ready"})', "{{reason}}"),),
        ),
        Panel(
            "Longest wait by reason",
            "s",
            (Query("max by (reason) (kaito_workspace_unready_seconds)", "{{reason}}"),),
        ),
        Panel(
            "What claims wait for",
            "short",
            (Query("sum by (kind, reason) (kaito_claims)", "{{kind}} {{reason}}"),),
        ),
        Panel(
            "Age of the oldest claim that waits",
            "s",
            (
                Query(
                    'max by (kind, reason) (kaito_claim_age_seconds{reason!="Ready"})',
                    "{{kind}} {{reason}}",
                ),
                Query("max(kaito_claim_deadline_seconds)", "deadline"),
            ),
        ),
        Panel(
            "Claims that failed, an hour",
            "short",
            (Query("sum by (reason) (increase(kaito_claims_failed_total[1h]))", "{{reason}}"),),
        ),
        Panel(
            "Requests to Azure",
            "reqps",
            (
                Query(
                    "sum by (operation, outcome) (rate(kaito_cloud_call_seconds_count[5m]))",
                    "{{operation}} {{outcome}}",
                ),
            ),
        ),
        Panel(
            "Duration of a request to Azure, 95th percentile",
            "s",
            (Query(_p95("kaito_cloud_call_seconds", "operation"), "{{operation}}"),),
        ),
        Panel(
            "Leftovers",
            "short",
            (Query("max by (kind) (kaito_orphans)", "{{kind}}"),),
        ),
    ),
)

MODELS = Dashboard(
    "models",
    "KAITO / models",
    (
        Panel(
            "Requests",
            "reqps",
            (
                Query(
                    "sum by (model_name, finished_reason) (rate(vllm:request_success_total[5m]))",
                    "{{model_name}} {{finished_reason}}",
                ),
            ),
        ),
        Panel(
            "Requests under way",
            "short",
            (
                Query("sum by (model_name) (vllm:num_requests_running)", "{{model_name}} running"),
                Query("sum by (model_name) (vllm:num_requests_waiting)", "{{model_name}} waiting"),
            ),
        ),
        Panel(
            "Time to the first token, 95th percentile",
            "s",
            (Query(_p95("vllm:time_to_first_token_seconds", "model_name"), "{{model_name}}"),),
        ),
        Panel(
            "Time between tokens, 95th percentile",
            "s",
            (Query(_p95("vllm:inter_token_latency_seconds", "model_name"), "{{model_name}}"),),
        ),
        Panel(
            "Whole answers, 95th percentile",
            "s",
            (Query(_p95("vllm:e2e_request_latency_seconds", "model_name"), "{{model_name}}"),),
        ),
        Panel(
            "Tokens a second",
            "short",
            (
                Query(
                    "sum by (model_name) (rate(vllm:prompt_tokens_total[5m]))",
                    "{{model_name}} read",
                ),
                Query(
                    "sum by (model_name) (rate(vllm:generation_tokens_total[5m]))",
                    "{{model_name}} written",
                ),
            ),
        ),
        Panel(
            "Used part of the KV cache",
            "percentunit",
            (Query("max by (model_name) (vllm:kv_cache_usage_perc)", "{{model_name}}"),),
        ),
    ),
)

DASHBOARDS = (OPERATOR, PROVISIONING, MODELS)
