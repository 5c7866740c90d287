"""An identity that is not accepted is a state of the process, which goes on and recovers."""

from __future__ import annotations

from typing import Any, cast

from kaito.kube.client import Client
from kaito.kube.transport import Wire
from provisioner.app import aks, manager
from provisioner.cloud import Cloud
from provisioner.failures import CloudDenied, CloudUnavailable, ClusterMissing
from provisioner.settings import Settings
from tests.unit.provisioner.apiserver import Fuse, Time
from tests.unit.provisioner.simulation import Skies

SETTINGS = Settings(
    subscription_id="s", resource_group="g", cluster_name="c", client_id="i", tenant_id="t"
)


async def test_a_refused_identity_is_unready_until_it_is_accepted() -> None:
    skies = Skies(Fuse(), Time())
    client = Client(cast("Wire", None), field_manager="t")
    process = manager(SETTINGS, client, cast("Cloud", skies))
    instances = cast("Any", process._background["instances"]).__self__

    def doubts() -> list[str]:
        return [each for each in process.troubles() if each.startswith("cloud: ")]

    assert doubts() == []

    for refusal in (CloudDenied("AADSTS700016", "No such application"), ClusterMissing("x", "y")):
        skies.mute = refusal
        await instances.refresh()
        (said,) = doubts()
        assert refusal.message in said

    skies.mute = CloudUnavailable("Timeout", "slow")
    await instances.refresh()
    assert doubts() == []

    skies.mute = None
    await instances.refresh()
    assert doubts() == []


async def test_the_settings_reach_the_cloud() -> None:
    made = aks(SETTINGS.model_copy(update={"azure_cloud": "china", "credential": "managed"}))

    await made.close()
