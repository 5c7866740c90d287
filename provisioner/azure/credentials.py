"""Who the provisioner is to Azure; one way, chosen by a setting, and no other is tried.

workload     A Kubernetes ServiceAccount, federated with an identity: the kubelet keeps a token
             in a file, and Microsoft Entra ID changes it for one of its own.
managed      The identity of the machine that the provisioner runs on, from its metadata address.
developer    Whoever is signed in to the Azure CLI: for a provisioner on a desk.

No secret is stored anywhere. Nothing is asked before the first request needs a token. The file
is read again after five minutes, and the kubelet replaces it long before it expires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import (
    AzureCliCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity, and how its tokens are had.

    Attributes:
        tenant_id: of the directory.
        client_id: of the managed identity or application.
        token_file: where the kubelet keeps the ServiceAccount's token.
        authority_host: of the token endpoint, e.g. "https://login.microsoftonline.com/".
        ca_file: bundle to check the token endpoint with; "" for the system's.
        way: "workload", "managed" or "developer".
    """

    tenant_id: str
    client_id: str
    token_file: str
    authority_host: str
    ca_file: str = ""
    way: str = "workload"


def credential(identity: Identity) -> AsyncTokenCredential:
    """A source of tokens.

    Raises:
        ValueError: a part of the identity is missing, or the authority is not https.
    """
    return _WAYS[identity.way](identity)


def _workload(identity: Identity) -> AsyncTokenCredential:
    return WorkloadIdentityCredential(
        tenant_id=identity.tenant_id,
        client_id=identity.client_id,
        token_file_path=identity.token_file,
        authority=identity.authority_host,
        connection_verify=identity.ca_file or True,
        retry_total=0,
    )


def _managed(identity: Identity) -> AsyncTokenCredential:
    """The machine's own identity where no client id names one of several.

    Where the variables of a workload identity are set, the library would take that instead.
    """
    return ManagedIdentityCredential(
        client_id=identity.client_id or None,
        retry_total=0,
        _exclude_workload_identity_credential=True,
    )


def _developer(identity: Identity) -> AsyncTokenCredential:
    return AzureCliCredential(tenant_id=identity.tenant_id)


_WAYS: Mapping[str, Callable[[Identity], AsyncTokenCredential]] = {
    "workload": _workload,
    "managed": _managed,
    "developer": _developer,
}
