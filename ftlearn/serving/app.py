"""The routes of a service, as an ASGI application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from ftlearn.serving import errors
from ftlearn.serving.admission import State
from ftlearn.serving.batcher import Batcher
from ftlearn.serving.chat import CurrentModel, add_chat
from ftlearn.serving.chat_model import ChatModel
from ftlearn.serving.disconnecting import unless_disconnected
from ftlearn.serving.gate import Gate
from ftlearn.serving.generation_queue import GenerationQueue
from ftlearn.serving.headers import answer_headers
from ftlearn.serving.log import LOG
from ftlearn.serving.measurements import CONTENT_TYPE, Measurements
from ftlearn.serving.page import Page, chat_page, page
from ftlearn.serving.predictor import FieldError, Predictor
from ftlearn.serving.served_models import ServedModels
from ftlearn.serving.settings import ServeSettings
from ftlearn.tasks import Chat


class PredictBody(BaseModel):
    """The body of ``POST /predict``; what a text is depends on the model's task."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: list[Any]


class ReloadBody(BaseModel):
    """The body of ``POST /admin/reload``: a folder on the machine of the service."""

    model_config = ConfigDict(extra="forbid", strict=True)

    folder: str
    allow_other_labels: bool = False


def create_app(model: Predictor | ChatModel, settings: ServeSettings | None = None) -> FastAPI:
    """The service of a model: its routes, ``/health/...`` and ``/metrics``.

    A model that predicts has ``POST /predict``, one that writes ``/v1/...``, and both have a page
    at ``/`` and ``/admin/...``. uvicorn runs it, or any other ASGI server. Its queue accepts
    requests from when the server starts; when it stops, what was accepted is answered first.
    """
    settings = settings or ServeSettings()
    writes = isinstance(model, ChatModel)
    queue = GenerationQueue(settings.max_chats) if writes else _batcher(model, settings)
    measurements = Measurements(lambda: queue.queued)

    # Documentation pages would load scripts from the network.
    app = FastAPI(title="ftlearn", docs_url=None, redoc_url=None, lifespan=_lifespan)
    # Routes find the model here. If they closed over it, FastAPI's caches of functions would keep
    # it in memory after the service has ended.
    app.state.settings = settings
    app.state.queue = queue
    app.state.measurements = measurements
    app.state.holder = CurrentModel(model) if writes else queue
    app.state.served = ServedModels(app.state.holder)
    _add_errors(app)
    _add_health(app)
    if writes:
        add_chat(app)
        is_dialogue = isinstance(model.task, Chat)
        shown = chat_page(dialogue=is_dialogue, asks_token=settings.token is not None)
    else:
        queue.observe_batch = measurements.batch_texts.observe
        _add_predict(app)
        shown = page(model.columns, asks_token=settings.token is not None)
    _add_page(app, shown)
    _add_reload(app)
    paths = frozenset(route.path for route in app.routes if hasattr(route, "path"))
    app.add_middleware(Gate, settings=settings, measurements=measurements, paths=paths)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Accept requests while the server runs; then answer them, and write the log to its end."""
    app.state.queue.start()
    refreshing = asyncio.create_task(app.state.measurements.keep_fresh())
    yield
    await app.state.queue.drain()
    refreshing.cancel()
    for handler in LOG.handlers:
        handler.flush()


def _batcher(predictor: Predictor, settings: ServeSettings) -> Batcher:
    return Batcher(
        predictor,
        budget=settings.batch_tokens,
        max_queue=settings.max_queue,
        max_wait=settings.max_wait_ms / 1000,
    )


def _add_errors(app: FastAPI) -> None:
    for kind in errors.STATUSES:
        app.add_exception_handler(kind, errors.known)
    app.add_exception_handler(errors.DisconnectedError, errors.disconnected)
    app.add_exception_handler(RequestValidationError, errors.invalid)
    app.add_exception_handler(HTTPException, errors.http)
    app.add_exception_handler(Exception, errors.unexpected)


def _add_health(app: FastAPI) -> None:
    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/health/ready")
    async def ready(request: Request, response: Response) -> dict[str, str]:
        state = request.app.state.queue.state
        response.status_code = 200 if state is State.READY else 503
        return {"status": state.value}

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        return Response(request.app.state.measurements.exposition(), media_type=CONTENT_TYPE)


def _add_predict(app: FastAPI) -> None:
    @app.post("/predict")
    async def predict(body: PredictBody, request: Request, response: Response) -> dict[str, Any]:
        state, entry = request.app.state, request.state.entry
        batcher: Batcher = state.queue
        settings: ServeSettings = state.settings
        items = _items(body, batcher.model, settings)
        tokens = sum(map(batcher.model.tokens, items))
        entry |= {"texts": len(items), "tokens": tokens}
        if settings.log_texts:
            entry["inputs"] = body.texts
        work = batcher.submit(items, tokens, settings.deadline)
        answered = await unless_disconnected(request, work)
        answers, model, *times = answered
        response.headers.update(answer_headers(model.name, *times))
        state.measurements.record(entry, len(answers), *times)
        return {"model": model.name, "predictions": answers}


def _add_page(app: FastAPI, shown: Page) -> None:
    @app.get("/")
    async def try_it() -> Response:
        return Response(shown.text, headers=shown.headers, media_type="text/html")


def _add_reload(app: FastAPI) -> None:
    @app.post("/admin/reload")
    async def reload(body: ReloadBody, request: Request) -> dict[str, str]:
        served = _replaceable(request)
        return {"model": await served.replace(body.folder, other_labels=body.allow_other_labels)}

    @app.post("/admin/rollback")
    async def rollback(request: Request) -> dict[str, str]:
        return {"model": _replaceable(request).rollback()}


def _replaceable(request: Request) -> ServedModels:
    """The models of a service that may be told to replace them."""
    settings: ServeSettings = request.app.state.settings
    if settings.token is None:
        raise HTTPException(403, "models are replaced only where the service has a token")
    if settings.workers > 1:
        raise HTTPException(
            409,
            f"a request reaches one of {settings.workers} workers: let the folder that is "
            "served lead to the other model, as a link does, and send SIGHUP to process "
            f"{os.getppid()}, which replaces the workers one after the other",
        )
    return request.app.state.served


def _items(body: PredictBody, predictor: Predictor, settings: ServeSettings) -> list[Any]:
    """The texts of a request, checked; raises FieldError for the first that cannot be used."""
    count = len(body.texts)
    if not 1 <= count <= settings.max_texts:
        raise FieldError("texts", f"has {count} texts: send 1 to {settings.max_texts} at once")
    return [predictor.item(text, f"texts[{index}]") for index, text in enumerate(body.texts)]
