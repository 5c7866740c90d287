"""What the API server refuses is said in the status, with its words, and tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aiohttp import web

from kaito.api import labels
from kaito.api.workspace import WORKSPACES
from kaito.kube.errors import ServerFault, Unavailable
from kaito.kube.objects import Condition
from tests.unit.controllers.workspace.bench import (
    CLAIMS,
    DEPLOYMENT,
    SERVICE,
    WORKSPACE,
    Bench,
)
from tests.unit.kube.apiserver import refusal, status


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


TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "i", "imagee": "j"}]}}


async def bring_up_to_the_workload(bench: Bench) -> None:
    """A template whose node is there, so that what is sent next is its Deployment."""
    bench.put_workspace(inference={"template": TEMPLATE})
    await bench.settle()
    bench.bring_node()


def creations(bench: Bench) -> dict[str, str | None]:
    """How strictly each Kind that was created was asked to be looked at."""
    sent = bench.sent("POST", "/")
    return {each.path.rpartition("/")[2]: each.query.get("fieldValidation") for each in sent}


async def test_fields_that_no_schema_has_are_to_be_refused_but_those_of_claims(
    bench: Bench,
) -> None:
    await bring_up_to_the_workload(bench)
    await bench.settle()

    assert creations(bench) == {"machines": None, "deployments": "Strict"}


async def test_a_misspelt_field_of_a_template_is_told_with_where_to_mend_it(bench: Bench) -> None:
    await bring_up_to_the_workload(bench)
    bench.api.instead.append(refusal(400, "BadRequest"))

    await bench.reconcile()

    assert ready(bench).reason == "RefusedByAPIServer"
    assert "BadRequest was said" in ready(bench).message
    assert "of inference.template, correct it there" in ready(bench).message
    assert "Stalled" in {one.type for one in bench.workspace.status.conditions}


async def fail(bench: Bench, *, after_seconds: float, said: str = "no webhook") -> None:
    """One more try, which meets a fault."""
    bench.now += timedelta(seconds=after_seconds)

    async def fault(_: web.Request) -> web.StreamResponse:
        return web.json_response({**status(500, "InternalError"), "message": said}, status=500)

    bench.api.instead.append(fault)
    with pytest.raises(ServerFault):
        await bench.reconcile()


async def test_a_fault_that_passes_is_not_told(bench: Bench) -> None:
    await bring_up_to_the_workload(bench)
    before = bench.workspace.status

    await fail(bench, after_seconds=0)
    await fail(bench, after_seconds=4)

    assert bench.workspace.status == before
    await bench.reconcile()
    await fail(bench, after_seconds=60)
    assert bench.workspace.status == before


async def test_a_fault_that_lasts_is_told_and_still_raised(bench: Bench) -> None:
    await bring_up_to_the_workload(bench)

    await fail(bench, after_seconds=0)
    await fail(bench, after_seconds=5)

    assert (ready(bench).status, ready(bench).reason) == ("False", "RefusedByAPIServer")
    assert "no webhook" in ready(bench).message
    assert "Stalled" not in {one.type for one in bench.workspace.status.conditions}
    assert ("Warning", "RefusedByAPIServer") in bench.recorder.noted


async def test_each_try_of_one_fault_says_the_same(bench: Bench) -> None:
    await bring_up_to_the_workload(bench)
    await fail(bench, after_seconds=0, said="read 10.0.0.1:40001: reset")
    await fail(bench, after_seconds=5, said="read 10.0.0.1:40002: reset")
    told = bench.workspace

    await fail(bench, after_seconds=9, said="read 10.0.0.1:40003: reset")

    assert bench.workspace == told
    await fail(bench, after_seconds=60, said="read 10.0.0.1:40004: reset")
    assert bench.workspace == told
    await fail(bench, after_seconds=9, said="no schema")
    assert "no schema" in ready(bench).message


REQUESTS = ("request 0f3a-c1 failed", "request 7bd2-ee failed", "request ffab-a0 failed")


async def test_words_that_each_try_of_a_fault_says_otherwise_stay_for_a_minute(
    bench: Bench,
) -> None:
    await bring_up_to_the_workload(bench)
    await fail(bench, after_seconds=0, said=REQUESTS[0])
    await fail(bench, after_seconds=5, said=REQUESTS[1])
    told = bench.workspace

    await fail(bench, after_seconds=54, said=REQUESTS[2])

    assert REQUESTS[0] in ready(bench).message
    assert bench.workspace == told
    await fail(bench, after_seconds=1, said=REQUESTS[2])
    assert REQUESTS[2] in ready(bench).message


async def deny(bench: Bench, *, after_seconds: float, said: str) -> None:
    """One more try, which a webhook refuses."""
    bench.now += timedelta(seconds=after_seconds)

    async def denial(_: web.Request) -> web.StreamResponse:
        return web.json_response({**status(403, "Forbidden"), "message": said}, status=403)

    bench.api.instead.append(denial)
    await bench.reconcile()


async def test_words_that_each_refusal_says_otherwise_stay_for_a_minute_and_no_other_spec(
    bench: Bench,
) -> None:
    await bring_up_to_the_workload(bench)
    await deny(bench, after_seconds=0, said=REQUESTS[0])
    told = bench.workspace

    await deny(bench, after_seconds=59, said=REQUESTS[1])

    assert REQUESTS[0] in ready(bench).message
    assert bench.workspace == told
    await deny(bench, after_seconds=1, said=REQUESTS[1])
    assert REQUESTS[1] in ready(bench).message
    bench.change_metadata(WORKSPACE, generation=2)
    await deny(bench, after_seconds=1, said=REQUESTS[2])
    assert REQUESTS[2] in ready(bench).message


async def test_a_fault_is_told_with_what_may_be_mended(bench: Bench) -> None:
    bench.put_workspace()
    await fail(bench, after_seconds=0)
    await fail(bench, after_seconds=5)
    of_a_claim = ready(bench).message
    await bring_up_to_the_workload(bench)
    await fail(bench, after_seconds=0)
    await fail(bench, after_seconds=5)

    assert of_a_claim.endswith(": no webhook: mend the webhook that the message names, if any")
    assert ready(bench).message.endswith(
        "correct it there, or mend the webhook that the message names"
    )


async def test_after_a_fault_it_goes_on_and_the_next_one_is_waited_out(bench: Bench) -> None:
    await bring_up_to_the_workload(bench)
    await fail(bench, after_seconds=0)
    await fail(bench, after_seconds=5)

    await bench.settle()

    assert DEPLOYMENT in bench.api.objects
    assert ready(bench).reason != "RefusedByAPIServer"


@pytest.mark.parametrize(
    ("path", "part", "field", "other"),
    [(SERVICE, "spec", "ports", []), (DEPLOYMENT, "metadata", "labels", {})],
)
async def test_a_model_that_answers_stays_ready_while_a_fault_keeps_it_from_being_mended(
    bench: Bench, path: str, part: str, field: str, other: object
) -> None:
    await bench.come_up()
    whole = bench.stored(path)[part]
    bench.api.put(path, **{part: {**whole, field: other}})
    before = bench.workspace.status

    await fail(bench, after_seconds=0)
    await fail(bench, after_seconds=60)

    assert bench.workspace.status == before
    assert ready(bench).status == "True"
    await bench.settle()
    assert bench.stored(path)[part][field] == whole[field]


async def test_a_service_that_cannot_be_mended_keeps_no_workload_from_being_made(
    bench: Bench,
) -> None:
    await bench.come_up()
    bench.stored(SERVICE)["spec"]["ports"] = []
    bench.api.remove(DEPLOYMENT)

    await fail(bench, after_seconds=0)

    assert DEPLOYMENT in bench.api.objects


@pytest.mark.parametrize("code", [502, 503, 504])
async def test_a_server_that_is_merely_down_is_never_told(bench: Bench, code: int) -> None:
    await bring_up_to_the_workload(bench)
    before = bench.workspace.status

    for _ in range(3):
        bench.now += timedelta(minutes=1)
        bench.api.instead.append(refusal(code, "Unavailable"))
        with pytest.raises(Unavailable):
            await bench.reconcile()

    assert bench.workspace.status == before


async def test_what_a_workspace_met_is_forgotten_with_it(bench: Bench) -> None:
    await bring_up_to_the_workload(bench)
    await fail(bench, after_seconds=0)
    kept = bench.stored(WORKSPACE)
    await bench.reconcile(without=WORKSPACES)
    assert bench.stored(WORKSPACE) == kept

    await fail(bench, after_seconds=60)

    assert ready(bench).reason != "RefusedByAPIServer"
