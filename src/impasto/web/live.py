"""The page of a live painting: its current picture, its frame rate, and its controls.

=============================  =================================================================
``GET /``                      the page
``GET /live.mjpg``             the pictures: JPEG after JPEG, the newest whenever one can be sent
``GET /api/state``             :class:`LiveState` as JSON
``POST /api/settings``         ``{"style": NAME, "alpha": 0.8}``, either or both; returns the state
=============================  =================================================================
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from impasto.errors import ImpastoError, OptionError
from impasto.web.newest import Newest

__all__ = ["LiveState", "Stage", "live_app"]

STATIC = Path(__file__).parent / "static"

_BOUNDARY = "impasto-frame"
_NOT_KEPT = {"Cache-Control": "no-store"}
_MAX_BODY = 4096


@dataclass(frozen=True)
class LiveState:
    """The state of a live painting, as the page shows it.

    Attributes:
        source: the name of the camera or film.
        model: the name of the model and its engine.
        styles: names to choose from, at least one.
        style: the current style.
        alpha: strength; None if it is a picture, which the page cannot change.
        alpha_range: the smallest and the largest strength that the model takes.
        frames: number of frames painted so far.
        dropped: number of the camera's frames that were dropped for newer ones.
        rate: painted frames in a second.
        delay: seconds from the camera to the page.
        recording: name of the file that is written, if any.
    """

    source: str
    model: str
    styles: tuple[str, ...]
    style: str
    alpha: float | None
    alpha_range: tuple[float, float]
    frames: int = 0
    dropped: int = 0
    rate: float = 0.0
    delay: float = 0.0
    recording: str | None = None


class Stage(Protocol):
    """A live painting, as its page uses it. Called from threads of the server."""

    def state(self) -> LiveState:
        """The state at this moment."""
        ...

    def change(self, *, style: str | None = None, alpha: float | None = None) -> None:
        """Change what is given, from the next frame on.

        Raises:
            ImpastoError: if that is not possible; then nothing has changed.
        """
        ...


def live_app(stage: Stage, newest: Newest) -> Starlette:
    """Make the application of the page.

    Args:
        stage: what the page shows and changes.
        newest: the pictures as JPEG; closing it ends all streams.

    Example:
        >>> app = live_app(stage, Newest())                                  # doctest: +SKIP
    """

    async def page(request: Request) -> Response:
        return FileResponse(STATIC / "live.html")

    async def stream(request: Request) -> Response:
        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        return StreamingResponse(_parts(newest), media_type=kind, headers=_NOT_KEPT)

    async def state(request: Request) -> Response:
        return await _answer(stage)

    async def settings(request: Request) -> Response:
        try:
            wanted = _settings(await _body(request))
            await run_in_threadpool(stage.change, **wanted)
        except ImpastoError as error:
            return JSONResponse({"error": str(error)}, 400, headers=_NOT_KEPT)
        return await _answer(stage)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/live.mjpg", stream),
            Route("/api/state", state),
            Route("/api/settings", settings, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
    )


async def _answer(stage: Stage) -> Response:
    found = await run_in_threadpool(stage.state)
    return JSONResponse(asdict(found), headers=_NOT_KEPT)


async def _parts(newest: Newest) -> AsyncIterator[bytes]:
    # The line between two pictures is sent with the first of them: browsers show a picture only
    # after the line behind it, which would otherwise come a picture later.
    yield f"--{_BOUNDARY}\r\n".encode()
    async for picture in newest.follow():
        head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
        yield head.encode() + picture + f"\r\n--{_BOUNDARY}\r\n".encode()


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise OptionError("settings must be sent as application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise OptionError(f"settings of more than {_MAX_BODY} bytes are refused")
    return body


def _settings(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"settings must be JSON ({error})") from error
    if not isinstance(found, dict) or not found or set(found) - {"style", "alpha"}:
        raise OptionError('settings must be {"style": NAME, "alpha": NUMBER}, or one of the two')
    style, alpha = found.get("style", ""), found.get("alpha", 0.0)
    if not isinstance(style, str):
        raise OptionError("style must be a name")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise OptionError("alpha must be a number")
    return found
