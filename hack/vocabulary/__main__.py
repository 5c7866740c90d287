"""Write docs/reference/{reasons,events,metrics}.md, or compare them with `--check`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hack.vocabulary import events, series
from kaito.api.reasons import TERMINAL, WARNINGS
from kaito.cli.remedies import CLAIM, ELSEWHERE, WORKSPACE, Remedy

ROOT = Path(__file__).parents[2]
WRITTEN = "Written by `python -m hack.vocabulary`. Do not edit.\n"

REASONS = f"""\
# Reasons

{WRITTEN}
The reason of a condition, and of the Kubernetes Event that tells of it. `kubectl kaito why NAME`
finds the one that matters. A *stalled* Workspace waits for a person; everything else goes on by
itself, and *warning* says that a person may want to look.

What is new is given two seconds: only then is it said what the first claim, or a new workload,
waits for; a later stage of a claim is said when it has lasted five. That one has failed is said at
once.

A pod that nothing probes counts once it has run for ten seconds. One that a readiness probe of your
template lets count at once, and that then ends again and again, is told each time it ends, and the
Workspace is Ready in between.
"""
EVENTS = f"""\
# Log events

{WRITTEN}
Each line of a log is one JSON object (`--log-format=json`), or a line for people (`console`), which
a traceback may follow. Its `event` is a constant of this table, and whatever varies is a key.
Within a reconcile every line carries the keys of its object as well: `controller`, `namespace`,
`name`, and `reconcile`, the id of that one pass.

A pass of `kaito` that creates a claim leaves its id on it, as the annotation `kaito.sh/reconcile`.
The provisioner says it in every line about that claim, as `created_by`, beside `workspace` and
`workspace_namespace`. So one word finds in both logs who asked for a node and what became of it:

```sh
claims=$(kubectl get machines --selector kaito.sh/workspace=workspace-phi-3-mini --output name)
id=$(kubectl get $claims --output 'jsonpath={{.metadata.annotations.kaito\\.sh/reconcile}}')
for each in kaito provisioner; do
  kubectl logs --namespace kaito-system --selector app.kubernetes.io/name=$each --tail=-1 | grep $id
done
```

Kubernetes Events, which `kubectl describe` shows, have a [reason](reasons.md) each.
"""
METRICS = f"""\
# Metrics

{WRITTEN}
Both processes serve `/metrics` over TLS, to whom the API server lets `get` that path. The component
`manifests/components/monitoring` brings a ServiceAccount that may, and PodMonitors that present its
token. A Prometheus that comes with a ServiceAccount of its own is bound to the ClusterRole, and its
namespace let through; the last line says `yes`:

```sh
kubectl create clusterrolebinding prometheus-reads-kaito \\
  --clusterrole kaito-metrics-reader --serviceaccount monitoring:prometheus
kubectl label namespace monitoring metrics=enabled --overwrite
kubectl auth can-i get /metrics --as system:serviceaccount:monitoring:prometheus
```

Names and labels of controller-runtime and client-go mean what they mean there, so that their
dashboards work; all labels are bounded. Model servers serve vLLM's names on their own port, without
TLS. [Alerts](alerts.md) say what to watch; the component brings them, and the dashboards. What the
library shows of any process both serve, and its `process_…` our model servers and trainers do too.

The label `resource` of an informer is the plural of its Kind. The pods that try out a user's image
are watched apart from the others, and are `preflights`.

The label `model_name` of a server is its one model. Two labels of `vllm:lora_requests_info` list
the adapters under way, as vLLM's do, in the order of their names: one sample at a time, and with n
adapters 4ⁿ sets of labels in time. Where that is too many, drop the series by relabelling.

vLLM's own server has all that is listed for model servers, and more, but for
`kaito_inference_model_load_seconds`.
"""


def rendered() -> dict[str, str]:
    """Text of each page by its path below the root."""
    return {
        "docs/reference/reasons.md": f"{REASONS}\n{_reasons()}",
        "docs/reference/events.md": f"{EVENTS}\n{events.page()}",
        "docs/reference/metrics.md": f"{METRICS}\n{series.page()}",
    }


def stale() -> list[str]:
    """Pages that differ from what the code says."""
    return [
        name
        for name, text in rendered().items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text() != text
    ]


def _reasons() -> str:
    """The tables of reasons."""
    kinds = {str(reason): "stalled" for reason in TERMINAL}
    kinds |= {str(reason): "warning" for reason in WARNINGS - TERMINAL}
    return (
        f"## Workspace\n\n{_table(WORKSPACE, kinds)}\n## Machine and NodeClaim\n\n"
        "Of our provisioner; another has its own.\n\n"
        f"{_table(CLAIM, {})}\n## Elsewhere\n\n"
        "What the kubelet or another provisioner says is repeated in its own words.\n\n"
        f"{_table(ELSEWHERE, {})}"
    )


def _table(remedies: Mapping[str, Remedy], kinds: Mapping[str, str]) -> str:
    head = ("Reason", *(("",) if kinds else ()), "Cause", "Remedy")
    rows = (
        (f"`{name}`", *((kinds.get(name, ""),) if kinds else ()), remedy.cause, remedy.remedy)
        for name, remedy in remedies.items()
    )
    return "".join(_line(row) for row in (head, ["---"] * len(head), *rows))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` compare; 1 when a page is stale."""
    if "--check" in arguments:
        for name in stale():
            print(f"{name} is stale: run python -m hack.vocabulary", file=sys.stderr)
        return int(bool(stale()))
    for name, text in rendered().items():
        (ROOT / name).write_text(text)
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
