"""Labels, annotations, finalizers and taints that carry meaning between the parts."""

from __future__ import annotations

WORKSPACE = "kaito.sh/workspace"
"""On claims, nodes, workloads: name of the Workspace that they serve."""

WORKSPACE_NAMESPACE = "kaito.sh/workspacenamespace"
"""On claims: namespace of that Workspace (claims are cluster-scoped)."""

RAGENGINE = "kaito.sh/ragengine"
"""On claims: name of the RAGEngine that they serve; such claims are provisioned too."""

MACHINE_TYPE = "kaito.sh/machine-type"
"""On nodes and in claims' requirements: "gpu" or "cpu"."""

CREATED_FOR = "kaito.sh/workspace-uid"
"""On claims and nodes: uid of the Workspace; a recreated namesake owns nothing of the old one.

Pods are pinned by it. Nodes that were bought have it from their claim; one that the user brings is
given it when it is chosen, and carries `WORKSPACE` never.
"""

PROVISIONER_NAME = "karpenter.sh/provisioner-name"
NODEPOOL = "karpenter.sh/nodepool"
REGISTERED = "karpenter.sh/registered"
INITIALIZED = "karpenter.sh/initialized"

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
ARCH = "kubernetes.io/arch"
OPERATING_SYSTEM = "kubernetes.io/os"
ZONE = "topology.kubernetes.io/zone"
CAPACITY_TYPE = "karpenter.sh/capacity-type"

AGENT_POOL = "agentpool"
AKS_AGENT_POOL = "kubernetes.azure.com/agentpool"

NODE_IMAGE_FAMILY = "kaito.sh/node-image-family"
"""Annotation on claims: "ubuntu" or "azurelinux"."""

CLAIM_PLACE = "kaito.sh/claim"
"""Annotation on claims: "ORDINAL/ATTEMPT", which node of the Workspace, and the how-manieth try."""

CREATED_BY = "kaito.sh/reconcile"
"""Annotation on claims: id, in kaito's log, of the reconcile that created them."""

DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"
"""Annotation on NodeClaims, "true": no Karpenter moves the model for the sake of packing."""

POOL_NAME = "kaito.sh/agent-pool"
"""Annotation on claims whose own name is no legal pool name: the name that was derived."""

PREFLIGHT = "kaito.sh/preflight"
"""On pods that look at registries before a node is bought: name of their Workspace."""

REVISION = "workspace.kaito.io/hash"
"""Annotation on workloads: hash of the spec fields that they were rendered from."""

BYPASS_RESOURCE_CHECKS = "kaito.sh/bypass-resource-checks"
"""Annotation: "true" turns a model that does not fit into a warning."""

BYPASS_PLACEHOLDER_CHECKS = "kaito.sh/bypass-placeholder-checks"
"""Annotation: "true" lets values through that look like placeholders, and are meant so."""

ENABLE_LOAD_BALANCER = "kaito.sh/enablelb"
"""Annotation on Workspaces, value "True": the Service becomes a LoadBalancer."""

POD_INDEX = "apps.kubernetes.io/pod-index"
POD_NAME = "statefulset.kubernetes.io/pod-name"
"""Labels on the pods of a StatefulSet."""

HOSTNAME = "kubernetes.io/hostname"
"""Label on nodes: each has its own value."""

WORKSPACE_FINALIZER = "workspace.finalizer.kaito.sh"
TERMINATION_FINALIZER = "karpenter.sh/termination"

GPU = "nvidia.com/gpu"
"""Extended resource that the device plugin reports."""
GPU_COUNT = "nvidia.com/gpu.count"
GPU_MEMORY = "nvidia.com/gpu.memory"
GPU_PRODUCT = "nvidia.com/gpu.product"
GPU_MAJOR = "nvidia.com/gpu.compute.major"
GPU_MINOR = "nvidia.com/gpu.compute.minor"
"""Labels on nodes from GPU feature discovery; memory is that of each GPU, in MiB."""

_AZURE = "karpenter.azure.com/sku-gpu"
_AWS = "karpenter.k8s.aws/instance-gpu"
CLOUD_GPU_COUNT = (f"{_AZURE}-count", f"{_AWS}-count")
CLOUD_GPU_MEMORY = (f"{_AWS}-memory",)
CLOUD_GPU_MODEL = (
    (f"{_AZURE}-manufacturer", f"{_AZURE}-name"),
    (f"{_AWS}-manufacturer", f"{_AWS}-name"),
)
"""Labels of Karpenter's, from its cloud; memory is that of each GPU, in MiB. Maker, then name."""

SKU_TAINT_KEY = "sku"
SKU_TAINT_VALUE = "gpu"
