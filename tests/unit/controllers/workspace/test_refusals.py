"""What the API server refuses is said in the status, with its words, and tried again."""

from __future__ import annotations

import pytest

from kaito.api import labels
from kaito.kube.objects import Condition
from tests.unit.controllers.workspace.bench import CLAIMS, SERVICE, WORKSPACE, Bench
from tests.unit.kube.apiserver import refusal


async def refused_claim(bench: Bench, code: int, reason: str) -> float | None:
    """Bring a workspace to where its claim is created, and have that refused."""
    bench.put_workspace()
    bench.change_metadata(WORKSPACE, finalizers=[labels.WORKSPACE_FINALIZER])
    bench.api.instead.append(refusal(code, reason))
    return (await bench.reconcile()).recheck_seconds


def ready(bench: Bench) -> Condition:
    (found,) = [one for one in bench.workspace.status.conditions if one.type == "Ready"]
    return found


@pytest.mark.parametrize(
    ("code", "reason"), [(403, "Forbidden"), (422, "Invalid"), (404, "NotFound")]
)
async def test_a_refusal_is_told_with_the_server_s_words_and_tried_again(
    bench: Bench, code: int, reason: str
) -> None:
    again = await refused_claim(bench, code, reason)

    assert again == 60
    assert (ready(bench).status, ready(bench).reason) == ("False", "RefusedByAPIServer")
    assert f"{reason} was said" in ready(bench).message
    assert "Stalled" in {one.type for one in bench.workspace.status.conditions}
    assert ("Warning", "RefusedByAPIServer") in bench.recorder.noted


async def test_a_missing_definition_is_told_with_the_remedy(bench: Bench) -> None:
    await refused_claim(bench, 404, "NotFound")

    assert "install the CRDs of the claims" in ready(bench).message


async def test_what_is_allowed_later_goes_on_by_itself(bench: Bench) -> None:
    await refused_claim(bench, 403, "Forbidden")

    await bench.settle()

    assert len([path for path in bench.api.objects if path.startswith(f"{CLAIMS}/")]) == 1
    assert "Stalled" not in {one.type for one in bench.workspace.status.conditions}


async def test_a_workspace_whose_service_may_not_be_mended_is_not_ready(bench: Bench) -> None:
    await bench.come_up()
    bench.stored(SERVICE)["spec"]["ports"] = []
    bench.api.instead.append(refusal(422, "Invalid"))

    await bench.reconcile()

    assert (ready(bench).status, ready(bench).reason) == ("False", "RefusedByAPIServer")
    assert "Invalid was said" in ready(bench).message
