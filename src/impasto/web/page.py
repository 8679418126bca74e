"""The served page: its files, its gallery, and the interface that it uses, as one application.

===============================  ===============================================================
``GET /``                        the page; its files are those of ``site.page_files()``
``GET /site.json``               states that this machine paints
``GET /models/NAME/styles.json`` the gallery of a model
``GET /models/NAME/styles/...``  a thumbnail, painted on its first request
``/api/...``                     :mod:`impasto.web.api`
===============================  ===============================================================
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.errors import ImpastoError
from impasto.painting import Content
from impasto.web import site
from impasto.web.api import NOT_KEPT, Api, refused
from impasto.web.figures import Figures
from impasto.web.guards import Token
from impasto.web.painting import Models

__all__ = ["page_app"]

# Painted thumbnails are a few kB each.
_THUMBNAILS = 512


def page_app(
    api: Api, models: Models, *, token: str = "", log: Callable[[str], None] | None = None
) -> ASGIApp:
    """Make the application of the page and its interface.

    Args:
        api: the interface.
        models: models that are served; the page begins with the first.
        token: token that every request must have; "" for none.
        log: called with a line for every request, in which no picture is named.

    Example:
        >>> app = page_app(api, models, log=print)                           # doctest: +SKIP
    """
    files = site.page_files()
    if site.ENTRY in files:
        files = {"": files[site.ENTRY], **files}
    thumbnails, one = _Thumbnails(models), asyncio.Lock()

    async def file(request: Request) -> Response:
        return FileResponse(files[request.url.path.removeprefix("/")])

    async def about(request: Request) -> Response:
        limits = site.SiteLimits(bytes=api.limits.max_bytes, pixels=api.limits.max_pixels)
        found = site.describe("server", list(models), limits=limits, token=bool(token))
        return JSONResponse(found, headers=NOT_KEPT)

    async def styles(request: Request) -> Response:
        name = request.path_params["model"]
        try:
            rows = await run_in_threadpool(site.gallery, models.find(name), "server", own=True)
        except ImpastoError as error:
            raise HTTPException(404, str(error)) from error
        return JSONResponse(rows, headers=NOT_KEPT)

    async def thumbnail(request: Request) -> Response:
        names = request.path_params["model"], request.path_params["style"]
        try:
            async with one:  # more threads would take cores from requests
                data = await run_in_threadpool(thumbnails.paint, *names)
        except ImpastoError as error:
            raise HTTPException(404, str(error)) from error
        return Response(data, media_type="image/webp")

    app: ASGIApp = Starlette(
        routes=[
            *api.routes,
            Route(f"/{site.SITE}", about),
            Route("/" + site.styles_address("{model}"), styles),
            Route("/" + site.thumbnail_address("{model}", "{style}"), thumbnail),
            *(Route(f"/{address}", file) for address in files),
        ],
        exception_handlers={HTTPException: _told, ImpastoError: _refused, Exception: _failed},
    )
    return _Logged(Token(app, token) if token else app, api.figures, log)


class _Thumbnails:
    """Thumbnails of styles, painted one after the other, and kept: they depend on no request."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._samples: dict[str, Content] = {}
        self._painted: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def paint(self, model: str, style: str) -> bytes:
        """The thumbnail of a style, as a WebP file.

        Raises:
            ImpastoError: if there is no such style, or model.
        """
        stylizer = self._models.open(model)
        found = stylizer.kept(style)
        data = self._painted.get((model, style))
        if data is None:
            if model not in self._samples:
                self._samples[model] = site.encoded_sample(stylizer)
            data = site.thumbnail(stylizer, found, self._samples[model])
            self._painted[model, style] = data
            if len(self._painted) > _THUMBNAILS:
                self._painted.popitem(last=False)
        return data


class _Logged:
    """Application around an application: counts the answers, and logs each in a line."""

    def __init__(self, app: ASGIApp, figures: Figures, log: Callable[[str], None] | None) -> None:
        self._app, self._figures, self._log = app, figures, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI request."""
        if scope["type"] not in ("http", "websocket"):
            return
        begin, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._figures.answers[status] += 1
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if self._log is not None and scope["path"].startswith("/api/"):
                self._log(_line(scope, status, time.monotonic() - begin))


# Any other path may be the name of a picture.
_KNOWN = ("/api/stylize", "/api/styles", "/api/models", "/api/health", "/api/frames")


def _line(scope: Scope, status: int, seconds: float) -> str:
    client = (scope.get("client") or ["?"])[0]
    path = scope["path"] if scope["path"] in _KNOWN else "/api/..."
    what = scope.get("method", "WebSocket")
    told = str(status) if status else "closed"  # a socket, or a client that left before the answer
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"{stamp} {client} {what} {path} {told} {seconds:.3f} s"


# Starlette's own messages for a path or a method that does not exist.
_WORDS = {
    "Not Found": "not found: see /openapi.json",
    "Method Not Allowed": "method not allowed: see /openapi.json",
}


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    line = _WORDS.get(error.detail, error.detail)
    headers = {**NOT_KEPT, **(error.headers or {})}
    return JSONResponse({"error": line}, error.status_code, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    return refused(error)


async def _failed(request: Request, error: Exception) -> Response:
    line = "internal error: see the server's terminal"
    return JSONResponse({"error": line}, 500, headers=NOT_KEPT)
