"""Azure's clouds: where each of them has its Resource Manager and its token endpoint.

Source: https://learn.microsoft.com/azure/developer/python/sdk/authentication/multi-cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AzureCloud:
    """The addresses of one cloud.

    Attributes:
        endpoint: of Azure Resource Manager.
        authority: of Microsoft Entra ID.
    """

    endpoint: str
    authority: str

    @property
    def scope(self) -> str:
        """Of tokens for the Resource Manager."""
        return f"{self.endpoint}/.default"


CLOUDS: Mapping[str, AzureCloud] = {
    "public": AzureCloud("https://management.azure.com", "https://login.microsoftonline.com/"),
    "china": AzureCloud("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn/"),
    "usgovernment": AzureCloud(
        "https://management.usgovcloudapi.net", "https://login.microsoftonline.us/"
    ),
}
"""By the name that the setting has for it."""
