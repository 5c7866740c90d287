"""`chat`: ask the model, through the API server's proxy to the Workspace's Service.

Servers with the OpenAI surface stream; the quick start's own `/chat` answers in one piece.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kaito.kube.client import Client
from kaito.kube.errors import NotFound, OperatorError, Unavailable
from kaito.kube.objects import Ref

PORT = 80
IDLE_SECONDS = 120.0
"""Silence of the model after which it counts as gone."""
TOTAL_SECONDS = 3600.0

_DATA = b"data:"
_END = b"[DONE]"


class CutOff(OperatorError):
    """The model's server, or the way to it, was lost in the middle of an answer."""

    def __init__(self, service: Ref) -> None:
        super().__init__(
            f"the answer of {service} was cut off: ask again, or see `kubectl kaito why"
            f" {service.name} --namespace={service.namespace}`"
        )


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to answer.

    Attributes:
        max_tokens: longest answer, in tokens; None: what the server does by itself.
        temperature: how freely words are drawn; None: what the server does by itself.
        system: what the model is told beforehand; "" for nothing.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    system: str = ""


@dataclass
class Talk:
    """One conversation.

    Attributes:
        client: of the cluster.
        service: the Workspace's Service.
        wishes: how to answer.
        messages: what was said so far, in the form of the OpenAI surface.
    """

    client: Client
    service: Ref
    wishes: Wishes = Wishes()
    messages: list[dict[str, str]] = field(default_factory=list)

    async def ask(self, question: str, show: Callable[[str], None]) -> None:
        """Ask, and show the answer as it comes.

        Raises:
            CutOff: part of an answer was shown, and the rest does not come.
            KubeError: there is no Service or no pod that answers, or these credentials may not
                use the proxy.
        """
        if self.wishes.system and not self.messages:
            self.messages.append({"role": "system", "content": self.wishes.system})
        self.messages.append({"role": "user", "content": question})
        said: list[str] = []
        try:
            async for piece in self._answer(question):
                said.append(piece)
                show(piece)
        except Unavailable as error:
            if not said:
                raise
            raise CutOff(self.service) from error
        self.messages.append({"role": "assistant", "content": "".join(said)})

    async def _answer(self, question: str) -> AsyncIterator[str]:
        """The pieces of the answer."""
        model = await self._model()
        if model is None:
            yield await self._whole(question)
            return
        body = {"model": model, "messages": self.messages, "stream": True, **self._sampling()}
        async with self.client.answering(
            self._path("v1/chat/completions"),
            body=body,
            idle_seconds=IDLE_SECONDS,
            total_seconds=TOTAL_SECONDS,
        ) as lines:
            async for line in lines:
                for piece in pieces(line):
                    yield piece

    async def _model(self) -> str | None:
        """The name that the server has for its model; None where it has no OpenAI surface."""
        try:
            answer = await self.client.proxied(self._path("v1/models"))
        except NotFound:
            # The proxy passes the server's own 404 on; a missing Service shows in the next call.
            return None
        return _first_name(answer)

    async def _whole(self, question: str) -> str:
        """An answer in one piece."""
        wanted = {
            "max_new_tokens": self.wishes.max_tokens,
            "temperature": self.wishes.temperature,
        }
        kwargs = {key: value for key, value in wanted.items() if value is not None}
        body = {"prompt": question, **({"generate_kwargs": kwargs} if kwargs else {})}
        answer = await self.client.proxied(self._path("chat"), body=body)
        return str(answer.get("Result", "")) if isinstance(answer, Mapping) else str(answer)

    def _sampling(self) -> Mapping[str, object]:
        """The wishes as fields of a request."""
        wanted = {"max_tokens": self.wishes.max_tokens, "temperature": self.wishes.temperature}
        return {key: value for key, value in wanted.items() if value is not None}

    def _path(self, tail: str) -> str:
        """The API server's path to a path of the model's server."""
        namespace, name = self.service
        return f"/api/v1/namespaces/{namespace}/services/{name}:{PORT}/proxy/{tail}"


def pieces(line: bytes) -> Iterable[str]:
    """Text in one line of a stream of server-sent events; other lines hold none."""
    if not line.startswith(_DATA):
        return
    content = line.removeprefix(_DATA).strip()
    if content == _END:
        return
    try:
        event = json.loads(content)
    except ValueError:
        return
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or {}
        if text := delta.get("content"):
            yield str(text)


def _first_name(answer: object) -> str | None:
    """The id of the first model of a list."""
    models = answer.get("data") if isinstance(answer, Mapping) else None
    if not isinstance(models, list) or not models:
        return None
    return str(models[0].get("id", ""))
