"""What each request to ARM passes through: every policy is named here, and there is no other.

Two of the SDK's usual ones are missing. One sends a request again by itself, and holds a worker
while it waits; the other registers a resource provider with the subscription where ARM says that
it is not, which is a change of the subscription that nobody asked for.
"""

from __future__ import annotations

from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import policies
from azure.mgmt.core.policies import ARMHttpLoggingPolicy, AsyncARMChallengeAuthenticationPolicy

AGENT = "kaito-provisioner"

Policy = policies.AsyncHTTPPolicy[Any, Any] | policies.SansIOHTTPPolicy[Any, Any]


def pipeline(credential: AsyncTokenCredential, scope: str) -> list[Policy]:
    """The policies, in the order in which a request passes through them.

    Args:
        credential: whose tokens a request carries.
        scope: of those tokens.
    """
    return [
        policies.RequestIdPolicy(),
        policies.HeadersPolicy(),
        policies.UserAgentPolicy(user_agent=AGENT),
        policies.ProxyPolicy(),
        policies.ContentDecodePolicy(),
        policies.AsyncRedirectPolicy(),
        AsyncARMChallengeAuthenticationPolicy(credential, scope),
        policies.CustomHookPolicy(),
        policies.NetworkTraceLoggingPolicy(),
        policies.DistributedTracingPolicy(),
        policies.SensitiveHeaderCleanupPolicy(),
        ARMHttpLoggingPolicy(),
    ]
