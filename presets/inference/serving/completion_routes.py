"""`POST /v1/chat/completions` and `POST /v1/completions`, whole and as a stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse

from serving.answers import Answer, ChatAnswers, TextAnswers, event
from serving.completion_job import completion_jobs, conversation_job
from serving.completions import ChatCompletionRequest, CompletionRequest, Parameters
from serving.errors import ServingError
from serving.faults import serving_body
from serving.incoming import CLIENT_GONE, unless_gone, whole_body, worked_out
from serving.job import Job
from serving.routes import adapter_named
from serving.text import Writing
from serving.worker import Ticket, Worker

DONE = b"data: [DONE]\n\n"


class CompletionRoutes:
    """What OpenAI's clients ask."""

    def __init__(self, worker: Worker, model_name: str) -> None:
        self._worker = worker
        self._model_name = model_name

    async def chat(self, request: Request) -> Any:
        """The next turn of a conversation."""
        engine = self._worker.engine()
        body = await whole_body(request)
        wanted = ChatCompletionRequest.model_validate_json(body)
        adapter = self._adapter(wanted)
        asked = partial(conversation_job, wanted, engine.encoder, adapter=adapter)
        job = await worked_out(body, asked)
        return await self._answer(request, wanted, [job], ChatAnswers(wanted.model))

    async def completion(self, request: Request) -> Any:
        """What comes after a text."""
        engine = self._worker.engine()
        body = await whole_body(request)
        wanted = CompletionRequest.model_validate_json(body)
        adapter = self._adapter(wanted)
        asked = partial(completion_jobs, wanted, engine.encoder, adapter=adapter)
        jobs = await worked_out(body, asked)
        echoes = [engine.encoder.written((), job.token_ids) for job in jobs] if wanted.echo else []
        return await self._answer(request, wanted, jobs, TextAnswers(wanted.model, echoes))

    def _adapter(self, wanted: Parameters) -> str:
        adapters = self._worker.engine().adapters
        return adapter_named(wanted.model, model_name=self._model_name, adapters=adapters)

    async def _answer(
        self, request: Request, wanted: Parameters, jobs: list[Job], answers: Answer
    ) -> Any:
        encoder = self._worker.engine().encoder
        tickets = self._worker.open(jobs, request_id=request.state.request_id)
        texts = [Writing(encoder, job.token_ids, wanted.stops) for job in jobs]
        under_way = UnderWay(tickets, texts)
        if wanted.stream:
            return Streamed(streamed(under_way, answers, usage=wanted.includes_usage), under_way)
        with contextlib.closing(under_way):
            whole = await unless_gone(request, under_way.whole())
        if whole is None:
            return Response(status_code=CLIENT_GONE)
        return JSONResponse(answers.whole(whole, under_way.reasons, under_way.usage))


class UnderWay:
    """The choices of one answer while they are written."""

    def __init__(self, tickets: list[Ticket], texts: list[Writing]) -> None:
        self._tickets = tickets
        self._texts = texts
        self.reasons = ["" for _ in tickets]

    @property
    def usage(self) -> dict[str, int]:
        """How many tokens were read and written."""
        read = sum(len(ticket.job.token_ids) for ticket in self._tickets)
        written = sum(ticket.generated_tokens for ticket in self._tickets)
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }

    def close(self) -> None:
        """Give up what has not ended."""
        for ticket in self._tickets:
            ticket.close()

    async def whole(self) -> list[str]:
        """The text of each choice."""
        return [await self._whole(index) for index in range(len(self._tickets))]

    async def _whole(self, index: int) -> str:
        return "".join([text async for text in self.pieces(index)])

    async def pieces(self, index: int) -> AsyncIterator[str]:
        """The text of one choice, as it comes."""
        ticket, text = self._tickets[index], self._texts[index]
        async for piece in ticket:
            if new := text.fed(piece.token_ids):
                yield new
            if text.stopped:
                ticket.close("stop")
                break
        if rest := text.rest():
            yield rest
        self.reasons[index] = "stop" if text.stopped else ticket.reason

    async def merged(self) -> AsyncIterator[tuple[int, str]]:
        """The text of all choices, as it comes: (which one, text); "" when one is complete."""
        if len(self._tickets) > 1:
            async for item in self._interleaved():
                yield item
            return
        async for text in self.pieces(0):
            yield 0, text
        yield 0, ""

    async def _interleaved(self) -> AsyncIterator[tuple[int, str]]:
        arrived: asyncio.Queue[tuple[int, str] | BaseException] = asyncio.Queue()

        def tell(ended: asyncio.Task[None]) -> None:
            if not ended.cancelled() and (error := ended.exception()) is not None:
                arrived.put_nowait(error)

        following = [
            asyncio.create_task(self._follow(index, arrived)) for index in range(len(self._tickets))
        ]
        for task in following:
            task.add_done_callback(tell)
        missing = len(following)
        try:
            while missing:
                item = await arrived.get()
                if isinstance(item, BaseException):
                    raise item
                missing -= not item[1]
                yield item
        finally:
            for task in following:
                task.cancel()

    async def _follow(
        self, index: int, arrived: asyncio.Queue[tuple[int, str] | BaseException]
    ) -> None:
        """Pass one choice on, and at last that it is complete."""
        async for text in self.pieces(index):
            arrived.put_nowait((index, text))
        arrived.put_nowait((index, ""))


async def streamed(under_way: UnderWay, answers: Answer, *, usage: bool) -> AsyncIterator[bytes]:
    """The events of one stream."""
    try:
        for chunk in answers.opening():
            yield event(chunk)
        async for index, text in under_way.merged():
            if text:
                yield event(answers.chunk(index, text))
            else:
                yield event(answers.last(index, under_way.reasons[index]))
    except ServingError as error:
        yield event(serving_body(error))
    else:
        if usage:
            yield event(answers.counted(under_way.usage))
    yield DONE


class Streamed(EventSourceResponse):  # type: ignore[misc]  # FastAPI is not typed here
    """A stream that gives its work up when it ends, however it ends."""

    def __init__(self, events: AsyncIterator[bytes], under_way: UnderWay) -> None:
        super().__init__(events, headers={"cache-control": "no-cache"})
        self._under_way = under_way

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Send it."""
        with contextlib.closing(self._under_way):
            await super().__call__(scope, receive, send)
