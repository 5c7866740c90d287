"""The provisioner's settings; `kaito.kube.flags` derives flags and variables from the fields.

The standard Azure variables, which the workload identity webhook injects, are read too.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kaito.kube import flags, logs
from kaito.kube.flags import Variable

PREFIX = "PROVISIONER"

_TAG = r"[^<>%&\\?/,=]+=[^,]*"
TAGS = rf"^({_TAG}(,{_TAG})*)?$"
"""Tags with names that ARM accepts."""


class Settings(BaseModel):
    """Provision GPU nodes: carry out Machine and NodeClaim objects as AKS agent pools."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        default="0.0.0.0",
        description="Address that the health and metrics servers listen on.",
    )
    health_port: int = Field(
        default=8081, ge=0, le=65535, description="Port of /healthz and /readyz; 0 picks one."
    )
    metrics_port: int = Field(
        default=8080, ge=0, le=65535, description="Port of /metrics; 0 picks one."
    )
    kubeconfig: Annotated[str, Variable("KUBECONFIG")] = Field(
        default="", description="Path of a kubeconfig; empty means the pod's ServiceAccount."
    )
    namespace: Annotated[str, Variable("POD_NAMESPACE")] = Field(
        default="kaito-system", description="Namespace of the lease."
    )
    identity: Annotated[str, Variable("POD_NAME")] = Field(
        default="provisioner", description="Name of this process in the lease and in Events."
    )
    leader_elect: bool = Field(
        default=True, description="Whether to act only while holding the lease."
    )
    lease_seconds: float = Field(
        default=15, gt=0, description="How long others wait after our last renewal; seconds."
    )
    renew_seconds: float = Field(
        default=10, gt=0, description="How long we act after our last renewal; seconds."
    )
    retry_seconds: float = Field(
        default=2, gt=0, description="From one renewal to the next; seconds."
    )
    workers: int = Field(default=8, ge=1, le=256, description="Claims of a Kind in work at once.")

    subscription_id: Annotated[str, Variable("ARM_SUBSCRIPTION_ID")] = Field(
        min_length=1, description="Azure subscription of the cluster; a UUID."
    )
    resource_group: Annotated[str, Variable("ARM_RESOURCE_GROUP")] = Field(
        min_length=1, description="Resource group of the cluster."
    )
    cluster_name: Annotated[str, Variable("AZURE_CLUSTER_NAME")] = Field(
        min_length=1, description="Name of the AKS cluster."
    )
    credential: Literal["workload", "managed", "developer"] = Field(
        default="workload",
        description="Who we are to Azure: workload (a federated ServiceAccount), managed (the"
        " identity of the machine) or developer (whoever is signed in to the Azure CLI).",
    )
    client_id: Annotated[str, Variable("AZURE_CLIENT_ID")] = Field(
        default="",
        description="Client id of the identity; needed for workload, and for managed where the"
        " machine has several; a UUID.",
    )
    tenant_id: Annotated[str, Variable("AZURE_TENANT_ID")] = Field(
        default="", description="Directory of the identity; needed for workload; a UUID."
    )
    federated_token_file: Annotated[str, Variable("AZURE_FEDERATED_TOKEN_FILE")] = Field(
        default="/var/run/secrets/azure/tokens/azure-identity-token",
        description="File with the ServiceAccount token to exchange; path.",
    )
    azure_cloud: Literal["public", "china", "usgovernment"] = Field(
        default="public",
        description="Which of Azure's clouds: the three addresses below are its own where they"
        " are left empty.",
    )
    authority_host: Annotated[str, Variable("AZURE_AUTHORITY_HOST")] = Field(
        default="",
        pattern=r"^(https://|$)",
        description="Token endpoint of Microsoft Entra ID; https URL.",
    )
    arm_endpoint: str = Field(
        default="", pattern=r"^(https://|$)", description="Azure Resource Manager; https URL."
    )
    arm_scope: str = Field(default="", description="Scope of the tokens for it; URL.")
    arm_ca_file: str = Field(
        default="",
        description="CA bundle for both Azure endpoints; empty means the system's; path.",
    )
    location: Annotated[str, Variable("LOCATION")] = Field(
        default="",
        description="Region of the cluster: before a launch it is asked whether it sells the size"
        " and how much quota is left; empty asks nothing.",
    )
    subnet_id: str = Field(
        default="",
        pattern=r"^(/subscriptions/.+/subnets/[^/]+|$)",
        description="Subnet of the machines; empty means that of the cluster; ARM resource id.",
    )
    gpu_driver: Literal["install", "none"] = Field(
        default="install",
        description="Whether AKS installs the GPU driver on the machines: none is for clusters"
        " where the GPU operator does.",
    )
    tags: str = Field(
        default="",
        pattern=TAGS,
        description="Further tags of agent pools, as name=value,name=value.",
    )
    arm_seconds: float = Field(
        default=30, gt=0, description="Longest wait for one answer of Azure; seconds."
    )

    poll_seconds: float = Field(
        default=15, gt=0, description="From one list of agent pools to the next; seconds."
    )
    poll_busy_seconds: float = Field(
        default=2, gt=0, description="The same, while a pool of ours is in transition; seconds."
    )
    launch_deadline_seconds: float = Field(
        default=1800, gt=0, description="How long an agent pool may take to be created; seconds."
    )
    registration_deadline_seconds: float = Field(
        default=900, gt=0, description="How long its node may take to join; seconds."
    )
    initialization_deadline_seconds: float = Field(
        default=900, gt=0, description="How long the node may take to show its GPUs; seconds."
    )
    deadline_action: Literal["report", "delete"] = Field(
        default="report",
        description="What becomes of a claim that passes one of these three: report says it in"
        " its condition, delete deletes it.",
    )
    drain_deadline_seconds: float = Field(
        default=300,
        ge=0,
        description="How long pods may take to leave the node of a deleted claim; 0 evicts none;"
        " seconds.",
    )
    garbage_action: Literal["delete", "report"] = Field(
        default="delete",
        description="What becomes of pools of ours without a claim, and of nodes without a pool:"
        " delete, or report in Events and metrics only.",
    )
    garbage_age_seconds: float = Field(
        default=60, ge=0, description="Leftovers that are younger are not touched; seconds."
    )

    log_format: logs.Format = Field(
        default="json", description="Form of log lines: json or console."
    )
    log_level: logs.Level = Field(
        default="info", description="Least level of log lines: debug, info, warning or error."
    )

    @model_validator(mode="after")
    def _check_identity(self) -> Self:
        """A federated identity is named by two ids."""
        if self.credential == "workload" and not (self.client_id and self.tenant_id):
            raise ValueError(
                "--client-id (AZURE_CLIENT_ID) and --tenant-id (AZURE_TENANT_ID) are needed with"
                " --credential workload"
            )
        return self

    @model_validator(mode="after")
    def _check_lease(self) -> Self:
        """The three times of the lease must leave room for each other."""
        if not self.lease_seconds > self.renew_seconds > 1.2 * self.retry_seconds:
            raise ValueError(
                "--lease-seconds must be more than --renew-seconds, and that more than 1.2 times"
                " --retry-seconds"
            )
        return self


def load() -> Settings:
    """Settings of this process.

    Raises:
        SystemExit: code 2 when they do not hold, code 0 after `--help`.
    """
    return flags.load(Settings, sys.argv[1:], os.environ, prefix=PREFIX)
