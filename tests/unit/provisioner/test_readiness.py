"""An identity that is not accepted is a state of the process, which goes on and recovers."""

from __future__ import annotations

from typing import cast

from kaito.kube.client import Client
from provisioner.app import Process, aks, manager
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
    process = manager(SETTINGS, cast("Client", None), cast("Cloud", skies))
    assert isinstance(process, Process)
    assert process.instances is not None
    assert process.troubles() == []

    for refusal in (CloudDenied("AADSTS700016", "No such application"), ClusterMissing("x", "y")):
        skies.mute = refusal
        await process.instances.refresh()
        (said,) = process.troubles()
        assert refusal.message in said

    skies.mute = CloudUnavailable("Timeout", "slow")
    await process.instances.refresh()
    assert process.troubles() == []

    skies.mute = None
    await process.instances.refresh()
    assert process.troubles() == []


async def test_the_settings_reach_the_cloud() -> None:
    made = aks(SETTINGS.model_copy(update={"azure_cloud": "china", "credential": "managed"}))

    await made.close()
