"""Bad requests: a 4xx that names the field, never a 500, and the server goes on."""

from __future__ import annotations

import io
import json

import aiohttp
import pytest

pytestmark = pytest.mark.timeout(120)

LONG = "word " * 6000


def kwargs(**fields: object) -> dict[str, object]:
    return {"prompt": "Hello", "generate_kwargs": fields}


REFUSED = [
    ("no prompt", {}, 400, "prompt"),
    ("empty prompt", {"prompt": ""}, 400, "prompt"),
    ("null prompt", {"prompt": None}, 400, "prompt"),
    ("no text", {"prompt": 7}, 422, "prompt"),
    ("unknown field", {"prompt": "Hello", "stream": True}, 422, "stream"),
    ("both", {"prompt": "a", "messages": [{"role": "user", "content": "b"}]}, 400, "messages"),
    (
        "unknown role",
        {"messages": [{"role": "robot", "content": "b"}]},
        422,
        "messages.0.role",
    ),
    ("prompt over the context", {"prompt": LONG}, 400, "prompt"),
    ("no room in max_length", kwargs(max_length=1), 400, "generate_kwargs.max_length"),
    ("max_length over the context", kwargs(max_length=5000), 400, "generate_kwargs.max_length"),
    ("too many new", kwargs(max_new_tokens=5000), 400, "generate_kwargs.max_new_tokens"),
    ("no new", kwargs(max_new_tokens=0), 422, "generate_kwargs.max_new_tokens"),
    ("minimum over maximum", kwargs(min_length=300), 400, "generate_kwargs.min_length"),
    (
        "new minimum over maximum",
        kwargs(max_new_tokens=3, min_new_tokens=4),
        400,
        "generate_kwargs.min_new_tokens",
    ),
    ("temperature zero", kwargs(temperature=0), 422, "generate_kwargs.temperature"),
    ("top_p over one", kwargs(top_p=1.5), 422, "generate_kwargs.top_p"),
    ("number as text", kwargs(top_k="10"), 422, "generate_kwargs.top_k"),
    ("yes for true", kwargs(do_sample="yes"), 422, "generate_kwargs.do_sample"),
    ("foreign parameter", kwargs(assistant_model="x"), 422, "generate_kwargs.assistant_model"),
    ("no such token", kwargs(eos_token_id=512), 400, "generate_kwargs.eos_token_id"),
    ("no such bad word", kwargs(bad_words_ids=[[9999]]), 400, "generate_kwargs.bad_words_ids"),
    ("too many beams", kwargs(num_beams=1000), 422, "generate_kwargs.num_beams"),
    (
        "hole without a size",
        {"prompt": LONG, "handle_long_generation": "hole"},
        400,
        "generate_kwargs.max_new_tokens",
    ),
]


@pytest.mark.parametrize(
    ("body", "status", "param"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
async def test_a_bad_request_is_told_which_field(
    http: aiohttp.ClientSession, body: dict[str, object], status: int, param: str
) -> None:
    async with http.post("/chat", json=body) as response:
        error = (await response.json())["error"]

    assert (response.status, error["param"]) == (status, param)
    assert error["code"] == status
    assert param.rsplit(".", maxsplit=1)[-1] in error["message"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"prompt": "\\ud800"}', 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'{"prompt": "Hello", "generate_kwargs": {"temperature": NaN}}', 422),
        (b'{"prompt": "Hello", "generate_kwargs": {"top_k": 1' + b"0" * 400 + b"}}", 422),
        (b"[" * 100_000, 400),
    ],
    ids=["empty", "cut", "half a pair", "no text", "list", "null", "nan", "huge", "deep"],
)
async def test_a_body_that_is_no_request_is_refused(
    http: aiohttp.ClientSession, data: bytes, status: int
) -> None:
    async with http.post("/chat", data=data) as response:
        assert response.status == status
        assert (await response.json())["error"]["message"]


async def test_a_body_without_end_is_refused(http: aiohttp.ClientSession) -> None:
    data = io.BytesIO(json.dumps({"prompt": "a" * (17 * 1024 * 1024)}).encode())

    async with http.post("/chat", data=data) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/chat", 405), ("POST", "/healthz", 405)],
)
async def test_a_wrong_path_or_method_is_refused_in_the_same_shape(
    http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with http.request(method, path) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == status
