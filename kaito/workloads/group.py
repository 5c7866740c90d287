"""Several pods that serve one copy of a model: who leads, and how each finds the others.

Each kind of server has its own way of meeting. vLLM's own (our image) is told how many nodes there
are and which one it is; `presets/inference/group.py` starts it on all of them at once, and again
when one is lost. Upstream's image joins its nodes by ray, with a script of its own; torchrun meets
at the leader's rendezvous by itself.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Literal

from kaito.api import labels
from kaito.api.workspace import Workspace
from kaito.catalog.preset import Image, Preset
from kaito.catalog.sku import Sku
from kaito.kube.objects import Manifest
from kaito.sizing.fit import fit

Meeting = Literal["launcher", "ray", "torchrun"]
"""How the pods of a group meet."""

HEADLESS = "-headless"
"""How the name of the Service ends by which pods find each other."""

RANK = "POD_INDEX"
"""The variable that says which pod of the group this is; 0 leads."""

LOST_EXIT_CODE = 75
"""With what our launcher exits when another pod is gone: nothing is wrong with its own."""

TORCH_PORT, LAUNCHER_PORT, RAY_PORT = 29500, 29501, 6379

_SCRIPTS = "/workspace/vllm"
_SCRIPT_SECONDS = 10


def is_group(preset: Preset, sku: Sku | None, *, nodes: int) -> bool:
    """Whether so many nodes serve one copy together; else each that it fits has its own.

    Args:
        preset: the model.
        sku: type of the nodes, None where nobody knows it: then a model that can be spread is.
        nodes: how many there are.
    """
    if nodes == 1 or not preset.spans_nodes:
        return False
    return sku is None or fit(preset, sku, nodes=nodes).nodes != 1


def uneven(preset: Preset, *, nodes: int) -> str:
    """Why so many nodes cannot share the model, "" where they can."""
    if not preset.spans_nodes or _meeting(preset.image) != "torchrun":
        return ""
    processes = preset.inference.gpu_count if preset.inference else nodes
    if processes % nodes == 0:
        return ""
    return f"{preset.name} runs as {processes} processes, which {nodes} nodes cannot share evenly"


def headless_name(workspace: Workspace) -> str:
    """Name of the Service that gives each pod of the group a name of its own."""
    return f"{workspace.metadata.name}{HEADLESS}"


def leader_name(workspace: Workspace) -> str:
    """Name of the pod that leads."""
    return f"{workspace.metadata.name}-0"


def leader_host(workspace: Workspace) -> str:
    """Name under which the others find it, whatever the cluster's domain is."""
    service = f"{headless_name(workspace)}.{workspace.metadata.namespace}.svc"
    return f"{leader_name(workspace)}.{service}"


def meeting_ports(image: Image) -> Mapping[str, int]:
    """Ports at which the pods meet, by name."""
    meetings: dict[Meeting, dict[str, int]] = {
        "launcher": {"torch": TORCH_PORT, "group": LAUNCHER_PORT},
        "ray": {"ray": RAY_PORT},
        "torchrun": {"torch": TORCH_PORT},
    }
    return meetings[_meeting(image)]


def group_environment(image: Image) -> list[Manifest]:
    """Variables that each pod of a group gets beside those of a server alone."""
    own_label = f"metadata.labels['{labels.POD_INDEX}']"
    rank: Manifest = {"name": RANK, "valueFrom": {"fieldRef": {"fieldPath": own_label}}}
    if _meeting(image) != "launcher":
        return [rank]
    # vLLM tells the others this address; what it would find by itself need not be the pod's.
    address = {"fieldRef": {"fieldPath": "status.podIP"}}
    return [rank, {"name": "VLLM_HOST_IP", "valueFrom": address}]


def group_command(preset: Preset, command: list[str], *, nodes: int, leader: str) -> list[str]:
    """The argument vector of every pod of a group.

    Args:
        preset: the model.
        command: what would run it on one node, filled.
        nodes: how many pods there are.
        leader: host name of the first.
    """
    match _meeting(preset.image):
        case "launcher":
            return _launched(preset.image, command, nodes=nodes, leader=leader)
        case "ray":
            return _on_ray(command, nodes=nodes, leader=leader)
        case "torchrun":
            return _by_torchrun(preset, command, nodes=nodes, leader=leader)


def group_probes(image: Image, *, leader: str) -> dict[str, Manifest]:
    """The probes of each pod, by name; none where each answers for itself like a server alone."""
    if _meeting(image) != "ray":
        return {}
    script = ["python3", f"{_SCRIPTS}/multi-node-health-check.py"]
    ready = [*script, "readiness", f"--leader-address={leader}", f"--vllm-port={image.port}"]
    alive = [*script, "liveness", f"--leader-address={leader}", f"--ray-port={RAY_PORT}"]
    # It imports ray each time, which takes a while.
    pace = {"periodSeconds": _SCRIPT_SECONDS, "timeoutSeconds": _SCRIPT_SECONDS}
    return {
        "startupProbe": {
            "exec": {"command": ready},
            **pace,
            "failureThreshold": image.readiness_timeout_seconds // _SCRIPT_SECONDS,
        },
        "readinessProbe": {"exec": {"command": ready}, **pace},
        "livenessProbe": {"exec": {"command": alive}, **pace},
    }


def _meeting(image: Image) -> Meeting:
    """How pods of this image meet."""
    if image.runtime != "vllm":
        return "torchrun"
    return "ray" if image.origin == "upstream" else "launcher"


def _launched(image: Image, command: list[str], *, nodes: int, leader: str) -> list[str]:
    """The way of vLLM itself, started on all nodes together."""
    return [
        *("python3", "/workspace/inference/group.py"),
        *(f"--nodes={nodes}", f"--rank=$({RANK})"),
        *(f"--leader={leader}", f"--port={LAUNCHER_PORT}"),
        *(f"--health-port={image.port}", f"--health-path={image.health_path}"),
        *("--worker-argument=--headless", "--address-argument=--master-addr", "--"),
        *command,
        *("--distributed-executor-backend=mp", f"--nnodes={nodes}", f"--node-rank=$({RANK})"),
        f"--master-port={TORCH_PORT}",
    ]


def _on_ray(command: list[str], *, nodes: int, leader: str) -> list[str]:
    """Upstream's own way: its script starts ray, and the server runs on the leader alone."""
    script = f"{_SCRIPTS}/multi-node-serving.sh"
    server = [
        *command,
        "--distributed-executor-backend=ray",
        # Its offloading to the CPU's memory does not know pipelines over nodes.
        "--kaito-kv-cache-cpu-memory-utilization=0",
    ]
    lead = f"{script} leader --ray_cluster_size={nodes} --ray_port={RAY_PORT}"
    work = f"{script} worker --ray_address={leader} --ray_port={RAY_PORT}"
    text = f'if [ "${RANK}" = 0 ]; then {lead} && exec {shlex.join(server)}; else exec {work}; fi'
    return ["/bin/sh", "-c", text]


def _by_torchrun(preset: Preset, command: list[str], *, nodes: int, leader: str) -> list[str]:
    """Torchrun's own way: every node has its share of the processes."""
    processes = preset.inference.gpu_count if preset.inference else nodes
    values = {
        "nnodes": str(nodes),
        "nproc_per_node": str(processes // nodes),
        "node_rank": f"$({RANK})",
        "master_addr": leader,
        "rdzv_endpoint": f"{leader}:{TORCH_PORT}",
    }
    return [_with_flags(word, values) for word in command]


def _with_flags(text: str, values: Mapping[str, str]) -> str:
    """A command line whose `--flag=value` have other values."""
    for flag, value in values.items():
        text = re.sub(rf"--{flag}=\S+", f"--{flag}={value}", text)
    return text
