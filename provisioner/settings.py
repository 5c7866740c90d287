"""The provisioner's settings; `kaito.kube.flags` derives flags and variables from the fields.

The standard Azure variables, which the workload identity webhook injects, are read too.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from kaito.kube import flags
from kaito.kube.flags import Variable
from kaito.kube.settings import ProcessSettings, identified

PREFIX = "PROVISIONER"

_TAG = r"[^<>%&\\?/,=]+=[^,]*"
TAGS = rf"^({_TAG}(,{_TAG})*)?$"
"""Tags with names that ARM accepts."""


class Settings(ProcessSettings):
    """Provision GPU nodes: carry out Machine and NodeClaim objects as AKS agent pools."""

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
        default=1800,
        gt=0,
        description="How long it may take until an agent pool can be asked for, from the claim's"
        " creation, and then until it is created; seconds.",
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
        description="How long pods may take to leave the node of a deleted claim, where that has no"
        " terminationGracePeriod; 0 evicts none; seconds.",
    )
    garbage_action: Literal["delete", "report"] = Field(
        default="delete",
        description="What becomes of pools of ours without a claim, and of nodes without a pool:"
        " delete, or report in Events and metrics only.",
    )
    garbage_age_seconds: float = Field(
        default=60, ge=0, description="Leftovers that are younger are not touched; seconds."
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


def load() -> Settings:
    """Settings of this process.

    Raises:
        SystemExit: code 2 when they do not hold, code 0 after `--help`.
    """
    return identified(flags.load(Settings, sys.argv[1:], os.environ, prefix=PREFIX))
