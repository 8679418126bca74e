"""The interface of a server that paints: forms in, pictures out.

====================  ==========================================================================
``POST /api/stylize`` a photograph and how to paint it; returns the picture itself
``POST /api/styles``  a picture; returns its style file, to be sent in place of the picture
``GET /api/styles``   the styles that a model keeps
``GET /api/models``   the models
``GET /api/health``   the current and the past work of the server
``GET /openapi.json`` all of this, for programs
``/api/frames``       live frames, over a WebSocket (:mod:`impasto.web.frames`)
====================  ==========================================================================

Nothing is kept from one request to the next. A refusal is ``{"error": LINE}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send

from impasto.errors import EngineError, ImpastoError, OptionError
from impasto.web import site
from impasto.web.figures import Figures
from impasto.web.forms import MAX_STYLES, Asked, Item, Upload, read
from impasto.web.frames import Frames
from impasto.web.limits import Limits
from impasto.web.openapi import document
from impasto.web.painting import Answer, Studio
from impasto.web.places import BusyError, Left, Places, Turn

__all__ = ["Api", "refused"]

T = TypeVar("T")

NOT_KEPT = {"Cache-Control": "no-store"}

_STYLE_FIELDS = ("style", "style_size", "model")

# A text of a form is a name, or a few numbers.
_TEXT_BYTES = 4096

# Number of texts, and of files, that a form may have: far more than it can use, so that errors
# name the fields.
_MOST = 2 + 4 * MAX_STYLES

_CHUNK = 1 << 18


class _TooLarge(ImpastoError):
    """A request body that is too large."""


class Api:
    """The routes of the interface, and their implementation.

    Attributes:
        limits: limits of requests.
        places: places for them.
        figures: counts of what was done.
        routes: routes of the application.
    """

    def __init__(self, studio: Studio, limits: Limits, places: Places) -> None:
        """Make the routes.

        Args:
            studio: the studio that paints.
            limits: limits of requests.
            places: places for them.
        """
        self.limits, self.places, self.figures = limits, places, Figures()
        self._models = studio.models
        frames = Frames(studio, places, self.figures)
        styles = _Posted(self, studio.make_style, _STYLE_FIELDS)
        self.routes: Sequence[BaseRoute] = [
            Route("/api/stylize", _Posted(self, studio.paint), methods=["POST"]),
            Route("/api/styles", _Styles(self, styles), methods=["GET", "POST"]),
            Route("/api/models", self._list_models),
            Route("/api/health", self._health),
            Route("/openapi.json", self._openapi),
            WebSocketRoute("/api/frames", frames),
        ]

    async def list_styles(self, request: Request) -> Response:
        """The styles that a model keeps, those of the user first."""
        try:
            served = self._models.find(request.query_params.get("model"))
            rows = await run_in_threadpool(site.gallery, served, "server", own=True)
        except ImpastoError as error:
            return refused(error)
        return JSONResponse(rows, headers=NOT_KEPT)

    async def _list_models(self, request: Request) -> Response:
        rows = [
            {
                "name": each.card.name,
                "title": each.card.title,
                "identity": each.identity,
                "parameters": each.card.parameters,
                "pictures": not each.card.styles,
            }
            for each in self._models
        ]
        return JSONResponse(rows, headers=NOT_KEPT)

    async def _health(self, request: Request) -> Response:
        return JSONResponse(self.figures.state(self.places), headers=NOT_KEPT)

    async def _openapi(self, request: Request) -> Response:
        address = str(request.base_url).rstrip("/")
        names = [each.card.name for each in self._models]
        return JSONResponse(document(address, names, self.limits), headers=NOT_KEPT)


class _Posted:
    """An endpoint that reads a form and answers with a file, all of it in one place.

    It is an application and not a function, so that its answer is sent while it has the place.
    """

    def __init__(
        self, api: Api, work: Callable[[Asked, Turn], Answer], wanted: Sequence[str] | None = None
    ) -> None:
        self._api, self._work, self._wanted = api, work, wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI request."""
        limits = self._api.limits
        try:
            request = Request(scope, _limited(receive, scope, limits.max_bytes))
            with self._api.places.place():
                answer = await self._answer(request, receive)
                with suppress(TimeoutError):  # the client does not take the answer
                    async with asyncio.timeout(limits.seconds):
                        await _send_file(answer, send)
        except (Left, ClientDisconnect):
            return
        except (ImpastoError, MultiPartException, FormParserError, MemoryError, OSError) as error:
            await refused(error)(scope, receive, send)

    async def _answer(self, request: Request, receive: Receive) -> Answer:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            raise OptionError("a request must be a form: send multipart/form-data, as curl -F does")
        try:
            async with asyncio.timeout(self._api.limits.seconds):
                form = await request.form(
                    max_files=_MOST, max_fields=_MOST, max_part_size=_TEXT_BYTES
                )
        except TimeoutError:
            raise HTTPException(408, "the request did not arrive in time") from None
        try:
            items: list[Item] = [
                (name, each if isinstance(each, str) else Upload.of(each.filename, each.file, name))
                for name, each in form.multi_items()
            ]
            asked = read(items, wanted=self._wanted)
            answer = await _while_there(
                receive, self._api.places.run(lambda turn: self._work(asked, turn))
            )
        finally:
            await form.close()
        self._api.figures.count(answer)
        return answer


class _Styles:
    """The endpoint of styles: a list of the saved ones, and the making of others."""

    def __init__(self, api: Api, make: _Posted) -> None:
        self._api, self._make = api, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI request."""
        if scope["method"] == "POST":
            await self._make(scope, receive, send)
            return
        answer = await self._api.list_styles(Request(scope, receive))
        await answer(scope, receive, send)


def refused(error: Exception) -> Response:
    """The answer to a request that cannot be done, with the line that says why."""
    status, line = 400, str(error)
    headers = dict(NOT_KEPT)
    if isinstance(error, BusyError):
        status, headers["Retry-After"] = 503, str(error.seconds)
    elif isinstance(error, _TooLarge):
        status = 413
    elif isinstance(error, EngineError):
        status = 500
    elif isinstance(error, MemoryError):
        status, line = 503, "not enough memory for a picture of this size: give a smaller size"
    elif isinstance(error, OSError):
        status, line = 503, f"the server cannot save the request ({error.strerror or 'no reason'})"
    elif isinstance(error, MultiPartException):
        line = f"the form cannot be read: {error.message}"
    elif isinstance(error, FormParserError):
        line = f"the form cannot be read: {error}"
    return JSONResponse({"error": line}, status, headers=headers)


def _limited(receive: Receive, scope: Scope, most: int) -> Receive:
    """The body of a request, limited in size; one with too large a stated size is not received."""
    line = f"a request of more than {most:,} bytes is refused: send a smaller picture"
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > most):
            raise _TooLarge(line)
    received = 0

    async def counted_receive() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise _TooLarge(line)
        return message

    return counted_receive


async def _while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of work; it is cancelled when the client leaves."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Left
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_file(answer: Answer, send: Send) -> None:
    plain = answer.name.encode("ascii", "replace").decode().replace('"', "'").replace("\\", "_")
    headers = {
        "Content-Type": answer.kind,
        "Content-Length": str(len(answer.data)),
        "Content-Disposition": f'inline; filename="{plain}"; '
        f"filename*=UTF-8''{quote(answer.name, safe='')}",
        "Impasto-Model": answer.model,
        **NOT_KEPT,
    }
    if answer.seconds is not None:
        headers["Server-Timing"] = ", ".join(
            f"{name};dur={1000 * value:.1f}" for name, value in answer.seconds.items()
        )
    if answer.remark:
        headers["Impasto-Remark"] = answer.remark
    raw = [(name.lower().encode(), _header(value)) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    for start in range(0, len(answer.data), _CHUNK):  # each waits until the one before was sent
        part = bytes(answer.data[start : start + _CHUNK])
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _header(text: str) -> bytes:
    return "".join(sign for sign in text if sign.isprintable()).encode("ascii", "backslashreplace")
