"""A cloud that does not accept us, or is gone, is a state of a process that goes on."""

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


class Provisioner:
    """The process over a cloud in memory, and a clock by hand."""

    def __init__(self) -> None:
        self.clock = Time()
        self.skies = Skies(Fuse(), self.clock)
        client = Client(cast("Wire", None), field_manager="t", clock=self.clock)
        self._process = manager(SETTINGS, client, cast("Cloud", self.skies))
        self.instances = cast("Any", self._process._background["instances"]).__self__

    def doubts(self) -> list[str]:
        """What /readyz says of the cloud."""
        return [each for each in self._process.troubles() if each.startswith("cloud: ")]


async def test_a_refused_identity_is_unready_until_it_is_accepted() -> None:
    made = Provisioner()
    skies, instances, doubts = made.skies, made.instances, made.doubts
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


async def test_a_cloud_that_does_not_answer_for_long_is_unready_until_it_does() -> None:
    made = Provisioner()
    made.skies.mute = CloudUnavailable("ServiceRequestError", "Cannot connect to host login:443")
    await made.instances.refresh()
    made.clock.at += 29
    await made.instances.refresh()
    assert made.doubts() == []

    made.clock.at += 1
    (said,) = made.doubts()
    assert "Cannot connect to host login:443" in said

    made.skies.mute = None
    await made.instances.refresh()
    assert made.doubts() == []


async def test_the_settings_reach_the_cloud() -> None:
    made = aks(SETTINGS.model_copy(update={"azure_cloud": "china", "credential": "managed"}))

    await made.close()
