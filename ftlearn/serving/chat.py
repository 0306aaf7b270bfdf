"""The routes of a model that writes, in the shape of OpenAI's API."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ftlearn.errors import FtlearnError
from ftlearn.serving import errors
from ftlearn.serving.chat_model import ChatModel, Finished, Order, Piece
from ftlearn.serving.chat_requests import ChatBody
from ftlearn.serving.disconnecting import unless_disconnected
from ftlearn.serving.generation_queue import GrowingAnswer
from ftlearn.serving.headers import answer_headers
from ftlearn.serving.log import LOG
from ftlearn.serving.measurements import Measurements
from ftlearn.serving.settings import ServeSettings

NO_BUFFERING = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass
class Completion:
    """A request that was accepted, and what all parts of its answer repeat."""

    body: ChatBody
    model: str
    prompt_tokens: int
    answer: GrowingAnswer
    entry: dict[str, Any]
    measurements: Measurements
    created: int = field(default_factory=lambda: int(time.time()))

    def head(self, kind: str) -> dict[str, Any]:
        """The beginning of a response."""
        name = f"chatcmpl-{self.entry['id']}"
        return {"id": name, "object": kind, "created": self.created, "model": self.model}

    def usage(self, tokens: int) -> dict[str, int]:
        """The tokens of prompt and answer, the end token included."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": self.prompt_tokens + tokens,
        }

    def headers(self) -> dict[str, str]:
        """The headers of a response, with the times until now."""
        return answer_headers(self.model, *self.answer.times)

    def record(self, finished: Finished) -> None:
        """Write a finished answer into log and measurements."""
        self.entry["generated_tokens"] = finished.tokens
        self.entry["finish_reason"] = finished.reason
        self.measurements.generated_tokens.inc(finished.tokens)
        self.measurements.record(self.entry, 1, *self.answer.times)


class EventStream(StreamingResponse):
    """Server-sent events; the answer is abandoned as soon as nobody reads them."""

    def __init__(self, completion: Completion, first: Piece | Finished) -> None:
        headers = completion.headers() | NO_BUFFERING
        super().__init__(events(completion, first), headers=headers, media_type="text/event-stream")
        self.answer = completion.answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.answer.abandon()


@dataclass
class CurrentModel:
    """The model that writes the dialogues which begin now; another one may take its place."""

    model: ChatModel


def add_chat(app: FastAPI) -> None:
    """Add ``/v1/chat/completions`` and ``/v1/models`` to a service."""
    started = int(time.time())

    @app.get("/v1/models")
    async def list_models(request: Request) -> dict[str, Any]:
        name = request.app.state.holder.model.name
        entry = {"id": name, "object": "model", "created": started}
        return {"object": "list", "data": [entry | {"owned_by": "ftlearn"}]}

    @app.post("/v1/chat/completions")
    async def complete(body: ChatBody, request: Request, response: Response) -> Any:
        state, entry = request.app.state, request.state.entry
        model: ChatModel = state.holder.model
        settings: ServeSettings = state.settings
        order = await _order(body, model, settings)
        entry |= {"texts": 1, "tokens": len(order.prompt), "seed": order.seed}
        if settings.log_texts:
            entry["inputs"] = body.messages
        answer = state.queue.submit(partial(model.write, order), settings.deadline)
        completion = Completion(
            body, model.name, len(order.prompt), answer, entry, state.measurements
        )
        first = None
        try:
            if not body.stream:
                whole = await unless_disconnected(request, _whole(completion))
                response.headers.update(completion.headers())
                return whole
            # Refusals and faults before the first piece still have a status of their own.
            first = await unless_disconnected(request, answer.next())
            return EventStream(completion, first)
        finally:
            if first is None:
                answer.abandon()


async def _order(body: ChatBody, model: ChatModel, settings: ServeSettings) -> Order:
    """What a request asks for, checked; raises FieldError and UnknownModelError."""
    body.check()
    base, _, _ = model.name.rpartition("-")
    if body.model not in (None, model.name, base):
        raise errors.UnknownModelError(
            f"there is no model {body.model[:80]!r}: this service has {model.name!r}"
        )
    decoding = body.decoding(settings.max_new_tokens)
    stops = body.stops()
    wanted = body.wanted_tokens()
    prompt = await asyncio.to_thread(model.prompt, body.messages)
    return Order(prompt, model.limited(decoding, prompt, wanted), body.seed_or_new(), stops)


async def _whole(completion: Completion) -> dict[str, Any]:
    """The complete answer."""
    texts = []
    while isinstance(part := await completion.answer.next(), Piece):
        texts.append(part.text)
    completion.record(part)
    message = {"role": "assistant", "content": "".join(texts), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": part.reason}
    usage = completion.usage(part.tokens)
    return completion.head("chat.completion") | {"choices": [choice], "usage": usage}


async def events(completion: Completion, part: Piece | Finished) -> AsyncIterator[str]:
    """The answer as server-sent events; an error after the first piece is an event, too."""
    options = completion.body.stream_options
    yield _chunk(completion, {"role": "assistant", "content": ""})
    try:
        while isinstance(part, Piece):
            yield _chunk(completion, {"content": part.text})
            part = await completion.answer.next()
    except Exception as error:  # noqa: BLE001 - the status was sent already
        yield _event(_failure(error, completion))
        return
    completion.record(part)
    yield _chunk(completion, {}, part.reason)
    if options is not None and options.include_usage:
        usage = {"choices": [], "usage": completion.usage(part.tokens)}
        yield _event(completion.head("chat.completion.chunk") | usage)
    yield "data: [DONE]\n\n"


def _failure(error: Exception, completion: Completion) -> dict[str, Any]:
    """The event of an error, which the log has, too."""
    completion.entry["error"] = type(error).__name__
    if isinstance(error, FtlearnError):
        return errors.body(str(error))
    LOG.error("request %s failed", completion.entry["id"], exc_info=error)
    return errors.body(errors.UNEXPECTED)


def _chunk(completion: Completion, delta: dict[str, str], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return _event(completion.head("chat.completion.chunk") | {"choices": [choice]})


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"
