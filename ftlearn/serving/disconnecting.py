"""Work for a client that may leave before its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from ftlearn.serving.errors import DisconnectedError

Result = TypeVar("Result")


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``, which is cancelled when the client leaves: then DisconnectedError."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise DisconnectedError("the client left before its answer")
        return await working
    finally:
        leaving.cancel()
        working.cancel()


async def _disconnect(request: Request) -> None:
    """Return when the client has left: after the body, the server has nothing else to tell."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
