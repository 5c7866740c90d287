"""A pool of one GPU node, as the real Azure client asks for it."""

from __future__ import annotations

from azure.mgmt.containerservice.aio import ContainerServiceClient
from azure.mgmt.containerservice.models import AgentPool

PLACE = ("kaito-local", "kaito-local")
GPU = "Standard_NC12s_v3"


def body(**changes: object) -> AgentPool:
    """A pool of one GPU node, with some properties changed."""
    properties = {
        "count": 1,
        "vmSize": GPU,
        "osType": "Linux",
        "type": "VirtualMachineScaleSets",
        "nodeLabels": {"kaito.sh/workspace": "phi"},
        "nodeTaints": ["sku=gpu:NoSchedule"],
        "osDiskSizeGB": 50,
    }
    return AgentPool({"properties": {**properties, **changes}})


async def created(azure: ContainerServiceClient, name: str, **changes: object) -> AgentPool:
    """A pool that was created to the end."""
    poller = await azure.agent_pools.begin_create_or_update(*PLACE, name, body(**changes))
    return await poller.result()
