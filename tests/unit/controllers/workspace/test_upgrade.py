"""Whom a new version of the operator, or other settings of it, roll: docs/guides/upgrades.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaito.controllers.workspace.observe import Observed, Options
from kaito.controllers.workspace.step import Action, Apply
from kaito.controllers.workspace.workload import ensure_workload, wanted_workload
from kaito.kube.kinds import Deployment
from kaito.workloads.carrier import Carrier
from tests.unit.controllers.workspace.worlds import CATALOG, node, observed, workspace

SERVED = {"preset": {"name": "phi"}}
ADAPTED = {**SERVED, "adapters": [{"source": {"name": "law", "image": "r/law:1"}}]}
FORMER, NEXT = Carrier(image="r/carrier@sha256:1"), Carrier(image="r/carrier@sha256:2")
PROXIED = replace(FORMER, environment=(("HTTPS_PROXY", "http://proxy"),))


def running(inference: object, *, weights: str) -> Observed:
    """A Workspace as the former version has rendered it, whose weights are there or in the hub."""
    preset = CATALOG.presets["phi"]
    row = preset.images[0].model_copy(update={"weights": weights})
    found = preset.model_copy(update={"images": (row,)})
    seen = observed(
        workspace=workspace(inference=inference),
        nodes=(node({"apps": "phi"}, name="n1"),),
        catalog=replace(CATALOG, presets={"phi": found}),
        options=Options(registry="", carrier=FORMER),
    )
    return replace(seen, deployment=Deployment.model_validate(wanted_workload(seen)))


def rolls(seen: Observed, carrier: Carrier) -> tuple[Action, ...]:
    """What is done to the workload under other settings."""
    return ensure_workload(replace(seen, options=Options(registry="", carrier=carrier))).actions


@pytest.mark.parametrize(
    ("inference", "weights", "carrier", "done"),
    [
        pytest.param(ADAPTED, "image", NEXT, [Apply], id="adapters, another artifacts image"),
        pytest.param(SERVED, "image", NEXT, [], id="no adapters, another artifacts image"),
        pytest.param(SERVED, "hub", PROXIED, [Apply], id="weights from the hub, a proxy"),
        pytest.param(SERVED, "image", PROXIED, [], id="weights in the image, a proxy"),
        pytest.param(ADAPTED, "image", FORMER, [], id="adapters, the same settings"),
    ],
)
def test_an_upgrade_rolls_what_it_renders_anew_and_leaves_the_rest_alone(
    inference: object, weights: str, carrier: Carrier, done: list[type]
) -> None:
    actions = rolls(running(inference, weights=weights), carrier)

    assert [type(each) for each in actions] == done
