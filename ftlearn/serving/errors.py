"""Errors as answers: a status, and one shape of body that says what to change."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ftlearn.errors import FtlearnError
from ftlearn.serving.admission import DeadlineError, NotReadyError, QueueFullError
from ftlearn.serving.predictor import FieldError
from ftlearn.serving.served_models import ModelRefusedError


class UnknownModelError(FtlearnError, LookupError):
    """A request names a model that this service does not have."""


CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that left before its answer; only the log shows it."""
STATUSES: dict[type[Exception], int] = {
    UnknownModelError: 404,
    FieldError: 422,
    QueueFullError: 429,
    NotReadyError: 503,
    DeadlineError: 504,
    ModelRefusedError: 409,
}
UNEXPECTED = "the service failed on this request: its log says why"


class DisconnectedError(FtlearnError, ConnectionError):
    """The client left before its answer."""


def body(message: str, field: str | None = None) -> dict[str, Any]:
    """The body of every error.

    >>> body("texts[3]: 'text' is empty", "texts[3]")
    {'error': {'message': "texts[3]: 'text' is empty", 'field': 'texts[3]'}}
    """
    return {"error": {"message": message} | ({"field": field} if field else {})}


def known(request: Request, error: Exception) -> JSONResponse:
    """The answer to an error of ``STATUSES``."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    wait = getattr(error, "retry_after", None)
    headers = {"Retry-After": str(wait)} if wait else None
    return JSONResponse(body(str(error), getattr(error, "field", None)), status, headers)


def http(request: Request, error: HTTPException) -> JSONResponse:
    """The answer to an error that has a status already, such as an unknown path."""
    return JSONResponse(body(str(error.detail)), error.status_code, error.headers)


def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """The answer to a body of the wrong shape; it names the field and repeats nothing of it.

    A body that is not declared to be JSON is not read: a page of another site could send it.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if request.method == "POST" and media_type != "application/json":
        return JSONResponse(
            body("send the body with the header Content-Type: application/json"), 415
        )
    first = error.errors()[0]
    field = field_name(first["loc"])
    return JSONResponse(body(f"{field}: {first['msg']}", field), 422)


def disconnected(request: Request, error: DisconnectedError) -> JSONResponse:
    """The answer to a client that did not wait for it."""
    return left(str(error))


def left(message: str) -> JSONResponse:
    """The answer that nobody reads; the log has its status."""
    return JSONResponse(body(message), CLIENT_CLOSED_REQUEST)


def unexpected(request: Request, error: Exception) -> JSONResponse:
    """The answer to a fault of ours; the log has its traceback."""
    return JSONResponse(body(UNEXPECTED), 500)


def field_name(place: tuple[str | int, ...]) -> str:
    """The place of an error as one would write it in Python.

    >>> field_name(("body", "texts", 3)), field_name(("body", 17))
    ('texts[3]', 'body')
    """
    name = "body"
    parts = [part for part in place if part != "body"]
    if not parts or isinstance(parts[0], int):
        return name  # pydantic names the character where JSON is broken
    name, *others = parts
    return str(name)[:80] + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part[:80]}" for part in others
    )
