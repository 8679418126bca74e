"""Live frames over a WebSocket: pictures in, JPEGs out, the newest wins.

The first message is a look: a JSON object of the fields of ``POST /api/stylize`` without
``content`` (:func:`impasto.web.forms.items`). It is answered by ``{"ready": true}``, or by
``{"error": LINE}``. Another look may follow at any time, and applies from the next frame on.

Every binary message is a frame: a picture of any format. It is answered by a JPEG, or by a text:
``{"frame": N, "dropped": true}`` if a newer one came before it could be painted, or
``{"frame": N, "error": LINE}``. N counts the frames from 0. JPEGs come in the order of their
frames, so each belongs to the oldest frame that has no answer yet. Nothing is queued: at most two
frames are unanswered, of which one is painted while the other waits, and the newest replaces the
one that waits.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from contextlib import ExitStack, suppress
from typing import Any

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from impasto.errors import ImpastoError, OptionError
from impasto.web.figures import Figures
from impasto.web.forms import form_fields, items, read
from impasto.web.painting import FrameLook, Studio
from impasto.web.places import Places

__all__ = ["MAX_FRAME_BYTES", "Frames"]

MAX_FRAME_BYTES = 8_000_000
"""The largest message: a frame, or a look with its masks."""

# Each paints one frame at a time, and all wait in one queue.
_SOCKETS = 8

_IDLE_SECONDS = 600

# One is painted while the next is on its way.
_UNANSWERED = 2

_TRY_AGAIN_LATER = 1013

# No metadata is kept, every frame is a JPEG.
_FIELDS = (
    "style",
    "model",
    *(name for name in form_fields() if name not in ("depth", "keep_gps", "range")),
)


class Frames:
    """The endpoint of live frames."""

    def __init__(self, studio: Studio, places: Places, figures: Figures) -> None:
        """Take what paints, the places for it, and the figures to count in."""
        self._studio, self._places, self._figures = studio, places, figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Paint the frames of one client, until it leaves."""
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        if self._figures.sockets >= _SOCKETS:
            await _say(socket, error=f"all {_SOCKETS} live connections are in use: try again later")
            await socket.close(_TRY_AGAIN_LATER)
            return
        self._figures.sockets += 1
        flow = _Flow()
        painting = asyncio.ensure_future(self._paint(socket, flow))
        try:
            await _receive(socket, flow)
        finally:
            self._figures.sockets -= 1
            painting.cancel()
            await asyncio.gather(painting, return_exceptions=True)

    async def _paint(self, socket: WebSocket, flow: _Flow) -> None:
        """Paint the newest frame whenever there is one."""
        look: FrameLook | None = None
        with suppress(WebSocketDisconnect, RuntimeError), ExitStack() as files:
            while True:
                await flow.news.wait()
                flow.news.clear()
                text, flow.look = flow.look, None
                if text is not None:
                    look = await self._prepared(socket, text, files)
                while flow.frames and flow.look is None:
                    await self._answer(socket, flow, look)

    async def _prepared(self, socket: WebSocket, text: str, files: ExitStack) -> FrameLook | None:
        try:
            asked = read(items(_parsed(text)), wanted=_FIELDS)
            look = await self._places.run(lambda turn: self._studio.look(asked, files, turn))
        except (ImpastoError, MemoryError) as error:
            await _say(socket, error=str(error) or "not enough memory")
            return None
        await _say(socket, ready=True)
        return look

    async def _answer(self, socket: WebSocket, flow: _Flow, look: FrameLook | None) -> None:
        begin = time.perf_counter()
        number, frame = flow.frames.popleft()
        flow.painting = True
        try:
            if look is None:
                raise OptionError('send a look first, such as {"style": "munch-scream"}')
            found = look
            painted = await self._places.run(
                lambda turn: self._studio.paint_frame(found, frame, turn)
            )
        except (ImpastoError, MemoryError) as error:
            flow.painting = False
            await _say(socket, frame=number, error=str(error) or "not enough memory")
            return
        flow.painting = False
        self._figures.frames += 1
        self._figures.pixels += painted.size[0] * painted.size[1]
        self._figures.seconds += time.perf_counter() - begin
        await socket.send_bytes(bytes(painted.data))


class _Flow:
    """Messages that have come and are not processed yet.

    Attributes:
        look: the newest, as a text.
        frames: waiting frames with their numbers; the newest is last.
        count: number of frames that have come.
        painting: whether one is being painted.
        news: set when something has come.
    """

    def __init__(self) -> None:
        self.look: str | None = None
        self.frames: deque[tuple[int, bytes]] = deque()
        self.count, self.painting = 0, False
        self.news = asyncio.Event()

    def add(self, frame: bytes) -> int | None:
        """Take a frame, and return the number of one that is dropped for it."""
        left_out = None
        if len(self.frames) + self.painting >= _UNANSWERED and self.frames:
            left_out, _ = self.frames.popleft()
        self.frames.append((self.count, frame))
        self.count += 1
        return left_out


async def _receive(socket: WebSocket, flow: _Flow) -> None:
    """Keep the newest look and the newest frame, until the client leaves or stops sending."""
    with suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            if data is None:
                flow.look = message.get("text") or ""
            else:
                left_out = flow.add(data)
                if left_out is not None:
                    await _say(socket, frame=left_out, dropped=True)
            flow.news.set()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise OptionError("a look must be a JSON object, and this is not JSON") from None


async def _say(socket: WebSocket, **message: Any) -> None:
    await socket.send_text(json.dumps(message))
