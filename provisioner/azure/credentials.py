"""Who the provisioner is to Azure: a Kubernetes ServiceAccount, federated with an identity.

The kubelet keeps a token of the ServiceAccount in a file; Microsoft Entra ID changes it for one
of its own. No secret is stored anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from azure.identity.aio import WorkloadIdentityCredential


@dataclass(frozen=True, slots=True)
class Identity:
    """A federated identity.

    Attributes:
        tenant_id: of the directory.
        client_id: of the managed identity or application.
        token_file: where the kubelet keeps the ServiceAccount's token.
        authority_host: of the token endpoint, e.g. "https://login.microsoftonline.com/".
        ca_file: bundle to check the token endpoint with; "" for the system's.
    """

    tenant_id: str
    client_id: str
    token_file: str
    authority_host: str
    ca_file: str = ""


def credential(identity: Identity) -> WorkloadIdentityCredential:
    """A source of tokens; it reads the token file anew whenever it needs one.

    Raises:
        ValueError: a part of the identity is missing, or the authority is not https.
    """
    return WorkloadIdentityCredential(
        tenant_id=identity.tenant_id,
        client_id=identity.client_id,
        token_file_path=identity.token_file,
        authority=identity.authority_host,
        connection_verify=identity.ca_file or True,
        retry_total=0,
    )
