"""Verbs on the wire, and what comes back as which error."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from aiohttp import web

from kaito.kube.client import Client
from kaito.kube.deadlines import Deadlines
from kaito.kube.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    Expired,
    Invalid,
    KubeError,
    NotFound,
    ServerFault,
    Throttled,
    Unavailable,
    Undecodable,
)
from kaito.kube.kinds import LEASES
from kaito.kube.objects import Ref
from kaito.kube.transport import Endpoint, Transport
from tests.unit.kube.apiserver import Api, refusal
from tests.unit.kube.builders import COLLECTION, THINGS, Anonymous, path, ref

MANIFEST = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"size": 1}}


async def test_t4_create_sends_type_and_manager(api: Api, client: Client) -> None:
    made = await client.create(THINGS, MANIFEST)

    sent = api.seen[0]
    assert (sent.method, sent.path, sent.query) == ("POST", COLLECTION, {"fieldManager": "tests"})
    assert sent.body == {"apiVersion": "test.io/v1", "kind": "Thing", **made_of(sent.body)}
    assert sent.headers["User-Agent"] == "tests/1"
    assert made.spec.size == 1


def made_of(body: object) -> dict[str, object]:
    """The part of a body that the caller gave."""
    assert isinstance(body, dict)
    return {key: body[key] for key in ("metadata", "spec")}


async def test_a_name_and_a_selector_arrive_as_they_are_meant(api: Api, client: Client) -> None:
    await client.get(THINGS, ref("system:a b%2F?#é"))
    await client.list(THINGS, labels="a in (b, c),d!=e&f=+")

    named, listed = api.seen
    assert named.path == f"{COLLECTION}/system:a b%2F?#é"
    assert listed.query["labelSelector"] == "a in (b, c),d!=e&f=+"


async def test_w1_apply_is_server_side_and_forced(api: Api, client: Client) -> None:
    api.put(path("a"), spec={})

    await client.apply(THINGS, MANIFEST, subresource="status")

    sent = api.seen[0]
    assert (sent.method, sent.path) == ("PATCH", f"{path('a')}/status")
    assert sent.headers["Content-Type"] == "application/apply-patch+yaml"
    assert sent.query == {"fieldManager": "tests", "force": "true"}


async def test_an_apply_without_force_says_so(api: Api, client: Client) -> None:
    await client.apply(THINGS, MANIFEST, force=False)

    assert api.seen[0].query["force"] == "false"


async def test_patches_name_their_format(api: Api, client: Client) -> None:
    api.put(path("a"), spec={"size": 1})

    merged = await client.merge_patch(THINGS, ref("a"), {"spec": {"size": 2}})
    await client.json_patch(THINGS, ref("a"), [{"op": "remove", "path": "/spec"}])

    assert merged.spec.size == 2
    assert [each.headers["Content-Type"] for each in api.seen] == [
        "application/merge-patch+json",
        "application/json-patch+json",
    ]
    assert api.seen[1].body == [{"op": "remove", "path": "/spec"}]


async def test_get_of_what_is_not_there_is_none(api: Api, client: Client) -> None:
    assert await client.get(THINGS, ref("x")) is None


async def test_y6_delete_carries_the_uid_and_says_what_was_already_gone(
    api: Api, client: Client
) -> None:
    uid = uid_of(api.put(path("a"), spec={}))
    api.put(path("b"), spec={})

    results = [
        await client.delete(THINGS, ref("a"), uid=uid, grace_seconds=0),
        await client.delete(THINGS, ref("a"), uid=uid),
        await client.delete(THINGS, ref("b"), uid="of an earlier b"),
    ]

    assert results == [True, False, False]
    assert path("b") in api.objects
    assert api.seen[0].body == {
        "propagationPolicy": "Background",
        "preconditions": {"uid": uid},
        "gracePeriodSeconds": 0,
    }


def uid_of(item: dict[str, object]) -> str:
    """The uid that the server gave."""
    metadata = item["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["uid"])


async def test_r3_list_reads_all_pages(api: Api, client: Client) -> None:
    api.page_limit = 2
    for name in "abcde":
        api.put(path(name), metadata={"labels": {"x": "y"}}, spec={})

    found = await client.list(THINGS, namespace="default", labels="x=y")

    assert [each.metadata.name for each in found] == list("abcde")
    assert ["continue" in each.query for each in api.seen] == [False, True, True]
    assert all(each.query["limit"] == "500" for each in api.seen)
    assert all(each.query["labelSelector"] == "x=y" for each in api.seen)


async def test_r4_a_page_token_that_expired_costs_one_whole_list(api: Api, client: Client) -> None:
    api.page_limit = 2
    for name in "abc":
        api.put(path(name), spec={})

    async def first(request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {"continue": "2", "resourceVersion": "1"}})

    api.instead.extend([first, refusal(410, "Expired")])

    found = await client.list(THINGS)

    assert len(found) == 3
    assert "limit" not in api.seen[2].query


async def test_an_undecodable_object_is_logged_without_its_values(api: Api, client: Client) -> None:
    api.put(path("bad"), spec={"size": "s3cret"})
    api.put(path("good"), spec={"size": 1})

    with structlog.testing.capture_logs() as logs:
        found = await client.list(THINGS)

    assert [each.metadata.name for each in found] == ["good"]
    assert logs[0]["event"] == "object.rejected"
    assert logs[0]["name"] == "default/bad"
    assert "spec.size" in str(logs)
    assert "s3cret" not in str(logs)


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (400, "BadRequest", Invalid),
        (401, "Unauthorized", Denied),
        (403, "Forbidden", Denied),
        (404, "NotFound", NotFound),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Gone", Expired),
        (410, "Expired", Expired),
        (418, "", KubeError),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", Throttled),
        (500, "InternalError", ServerFault),
        (503, "", Unavailable),
    ],
)
async def test_r9_a_failure_is_of_the_class_that_its_status_says(
    api: Api, client: Client, code: int, reason: str, error: type[KubeError]
) -> None:
    api.instead.extend([refusal(code, reason)] * 2)

    with pytest.raises(KubeError) as caught:
        await client.create(THINGS, MANIFEST)

    assert type(caught.value) is error
    assert caught.value.status == code


async def test_r2_a_version_from_the_future_counts_as_expired(api: Api, client: Client) -> None:
    too_large = {"causes": [{"reason": "ResourceVersionTooLarge"}], "retryAfterSeconds": 1}
    api.instead.append(refusal(504, "Timeout", **too_large))

    with pytest.raises(Expired):
        await client.list(THINGS)


async def test_an_html_answer_keeps_its_status_and_its_beginning(api: Api, client: Client) -> None:
    async def proxy(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>bad gateway" + "x" * 5000, status=502)

    api.instead.append(proxy)

    with pytest.raises(Unavailable) as caught:
        await client.get(THINGS, ref("a"))

    assert caught.value.status == 502
    assert caught.value.message.startswith("<html>bad gateway")
    assert len(caught.value.message) <= 512


async def test_html_with_status_200_is_undecodable(api: Api, client: Client) -> None:
    async def login(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>please log in")

    api.instead.append(login)

    with pytest.raises(Undecodable):
        await client.get(THINGS, ref("a"))


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    endpoint = Endpoint("http://127.0.0.1:1", Anonymous())
    client = Client(Transport(endpoint, user_agent="t", max_in_flight=1), field_manager="t")

    with pytest.raises(Unavailable):
        await client.get(THINGS, ref("a"))

    await client.close()


async def test_t3_a_server_that_never_answers_is_unavailable_after_the_deadline(
    api: Api, client: Client
) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise web.HTTPNoContent

    api.instead.append(hang)
    transport = client._transport
    assert isinstance(transport, Transport)
    transport._lane = replace(transport._lane, deadlines=Deadlines(0.02))

    with pytest.raises(Unavailable, match="within"):
        await client.get(THINGS, ref("a"))


async def test_t2_a_wait_that_the_server_asks_for_is_kept_and_the_request_repeated(
    api: Api, client: Client
) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=429, headers={"Retry-After": "0"})

    api.instead.extend([busy, busy])
    api.put(path("a"), spec={"size": 4})

    found = await client.get(THINGS, ref("a"))

    assert found is not None
    assert len(api.seen) == 3


async def test_t2_t3_a_wait_beyond_the_deadline_is_left_to_the_caller(
    api: Api, client: Client
) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=429, headers={"Retry-After": "60"})

    api.instead.append(busy)

    with pytest.raises(Throttled) as caught:
        await client.get(THINGS, ref("a"))

    assert caught.value.retry_after_seconds == 60
    assert len(api.seen) == 1


async def test_l7_lease_requests_are_not_repeated_behind_the_callers_back(
    api: Api, client: Client
) -> None:
    async def busy(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=429, headers={"Retry-After": "0"})

    api.instead.append(busy)

    with pytest.raises(Throttled):
        await client.get(LEASES, Ref("default", "x"))


async def test_t5_a_rotated_token_is_read_again_after_one_401(api: Api, tmp_path: Path) -> None:
    api.tokens = {"new"}
    token = tmp_path / "token"
    token.write_text("old\n")
    config = tmp_path / "kubeconfig"
    config.write_text(
        f"""
        apiVersion: v1
        kind: Config
        current-context: c
        clusters: [{{name: k, cluster: {{server: "{api.url}"}}}}]
        users: [{{name: u, user: {{tokenFile: token}}}}]
        contexts: [{{name: c, context: {{cluster: k, user: u}}}}]
        """
    )
    client = await Client.connect(user_agent="t", field_manager="t", kubeconfig=str(config))
    token.write_text("new\n")

    await client.create(THINGS, MANIFEST)
    await client.list(THINGS)
    await client.close()

    sent = [each.headers["Authorization"] for each in api.seen]
    assert sent == ["Bearer old", "Bearer new", "Bearer new"]


async def test_t5_a_token_that_stays_refused_is_denied(api: Api, tmp_path: Path) -> None:
    api.tokens = {"other"}

    class Refused:
        async def header(self, *, refused: str | None = None) -> str:
            return "Bearer mine"

    transport = Transport(Endpoint(api.url, Refused()), user_agent="t", max_in_flight=1)
    client = Client(transport, field_manager="t")

    with pytest.raises(Denied):
        await client.list(THINGS)

    await client.close()
    assert len(api.seen) == 2
