"""Sources of live pictures: cameras, network streams, and films played at their own speed.

All of them come through PyAV, which opens a device as it opens a file. ``lavfi:`` and a graph of
FFmpeg's filters, such as ``lavfi:testsrc2=size=640x360:rate=30``, stand in for a camera in tests.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray

from impasto.errors import VideoError, escaped, one_line
from impasto.images.resizing import scaled_size
from impasto.images.writing import quantized
from impasto.video.container.colors import FromFilm
from impasto.video.container.opening import picture_stream
from impasto.video.pyav import library

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["Camera", "CameraInfo", "Grabbed", "list_cameras", "open_camera"]

Options: TypeAlias = dict[str, str]
"""Options of FFmpeg, by name."""

LAVFI = "lavfi:"
"""The beginning of a source that is a graph of filters."""

_ADDRESS = re.compile(r"(rtsps?|rtmps?|https?|srt|tcp|udp)://", re.IGNORECASE)

# Timeouts for an address that does not answer, and for a stream that stops. Devices take longer
# for their first picture than between two of them.
_SECONDS_TO_OPEN, _SECONDS_TO_READ = 15.0, 10.0

# How long a stream is probed for its format; FFmpeg would take five seconds.
_MICROSECONDS_TO_LOOK = "1000000"

# Frames are wanted at once, and whole, not smooth.
_PROMPT = {"fflags": "nobuffer", "flags": "low_delay"}


@dataclass(frozen=True)
class System:
    """Access to the cameras of a system.

    Attributes:
        format: format of FFmpeg, through which cameras are opened.
        address: address of camera N, a pattern with ``{number}`` or with ``{device}``.
        wishes: options to open a camera with, the best first; the driver may refuse them.
        permission: what to do where the system does not let a program use the camera.
    """

    format: str
    address: str
    wishes: tuple[Options, ...]
    permission: str


# avfoundation requests 29.97 frames a second by default, and fails on cameras that have 30.
# Most cameras have 1280x720 at 30 only as JPEG, which v4l2 must be asked for.
_HD = {"video_size": "1280x720", "framerate": "30"}
_VGA = {"video_size": "640x480", "framerate": "30"}
_SYSTEMS = {
    "linux": System(
        "v4l2",
        "/dev/video{number}",
        ({**_HD, "input_format": "mjpeg"}, _VGA, {}),
        "add yourself to the group 'video' (sudo usermod -aG video $USER) and log in again",
    ),
    "darwin": System(
        "avfoundation",
        "{number}:none",
        (_HD, _VGA, {"framerate": "30"}, {}),
        "allow it in System Settings, Privacy & Security, Camera",
    ),
    "win32": System(
        "dshow",
        "video={device}",
        (_HD, _VGA, {}),
        "allow it in Settings, Privacy & security, Camera",
    ),
}


@dataclass(frozen=True)
class CameraInfo:
    """A camera of this machine.

    Attributes:
        number: number to open it with.
        device: name that the system gives it.
        name: name that its maker gives it.
    """

    number: int
    device: str
    name: str


class Conversion:
    """Conversion of frames to sRGB, upright and with square pixels; converters are reused."""

    def __init__(self, aspect: float) -> None:
        """Set up the conversion.

        Args:
            aspect: width of a pixel over its height.
        """
        self._aspect = aspect
        self._kind: tuple[object, ...] = ()
        self._convert: FromFilm | None = None

    def __call__(self, frame: VideoFrame, size: int | None) -> NDArray[np.uint8]:
        """Convert a frame, (H, W, 3); see :meth:`Grabbed.pixels`."""
        height, width = frame.height, max(1, round(frame.width * self._aspect))
        if size is not None and min(height, width) > size:
            height, width = scaled_size(height, width, size)
        kind = (
            frame.format.name, frame.width, frame.height, height, width, frame.colorspace,
            frame.color_range, frame.color_primaries, frame.color_trc, frame.rotation,
        )  # fmt: skip
        if self._convert is None or kind != self._kind:
            self._convert, self._kind = FromFilm(frame, (width, height)), kind
        image, _ = self._convert(frame)
        found: NDArray[np.uint8] = quantized(image, 8)
        return found


@dataclass(frozen=True, eq=False)
class Grabbed:
    """A frame as captured, not yet converted.

    Attributes:
        number: number of frames before it.
        captured: the moment at which it arrived, in seconds of ``time.perf_counter``.
        frame: frame of PyAV.
        conversion: conversion of its source.
    """

    number: int
    captured: float
    frame: VideoFrame
    conversion: Conversion

    def pixels(self, size: int | None) -> NDArray[np.uint8]:
        """Convert it to sRGB, upright, with square pixels.

        Args:
            size: shorter side that a larger frame is reduced to; None leaves it as it is.

        Returns:
            (H, W, 3).
        """
        return self.conversion(self.frame, size)


class Camera:
    """An open source of live pictures; made by :func:`open_camera`.

    Attributes:
        name: name for users; the password of an address is left out.
        height: height of its frames as captured, in pixels.
        width: width of its frames.
        rate: frames in a second, as far as the source states it.
        paced: whether it is played at its own speed, as a film is; the frames of other sources are
            used as they arrive.
    """

    def __init__(self, container: Any, stream: Any, name: str, *, paced: bool) -> None:
        self._container, self._stream = container, stream
        self.name, self.paced = name, paced
        self.height, self.width = self._stream.height, self._stream.width
        self.rate = float(self._stream.average_rate or self._stream.guessed_rate or 30)

    def grab(self, stop: Event) -> Iterator[Grabbed]:
        """Yield frame after frame as they come, until the source ends.

        Args:
            stop: ends it, even while it waits for the time of a frame.

        Raises:
            VideoError: if the source fails, such as a camera that is unplugged.
        """
        library_errors = library().error
        conversion = Conversion(float(self._stream.sample_aspect_ratio or 0) or 1.0)
        number, begin = 0, None
        packets = self._container.demux(self._stream)
        while not stop.is_set():
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else ()
            except library_errors.EOFError:
                return
            except library_errors.InvalidDataError:
                continue  # a damaged frame: the next one comes soon
            except library_errors.FFmpegError as error:
                raise VideoError(_broken(self.name, error, live=not self.paced)) from error
            if packet is None:
                return
            for frame in frames:
                if self.paced:
                    time = frame.time if frame.time is not None else number / self.rate
                    begin = perf_counter() - time if begin is None else begin
                    if stop.wait(max(0.0, begin + time - perf_counter())):
                        return
                yield Grabbed(number, perf_counter(), frame, conversion)
                number += 1

    def close(self) -> None:
        """Release the camera. No other thread may be reading from it."""
        self._container.close()


def list_cameras() -> tuple[CameraInfo, ...]:
    """List the cameras of this machine, without opening any.

    Raises:
        VideoError: if PyAV is not installed, or knows no cameras on this system.

    Example:
        >>> list_cameras()                                                   # doctest: +SKIP
        (CameraInfo(number=0, device='/dev/video0', name='Integrated Camera'),)
    """
    av, system = library(), _system()
    try:
        devices = av.enumerate_input_devices(system.format)
    except ValueError as error:
        raise VideoError(
            f"this build of PyAV cannot open cameras ({system.format} is missing): install a PyAV "
            "wheel (pip install --force-reinstall --only-binary av av)"
        ) from error
    except av.error.FFmpegError:  # where devices cannot be listed
        return ()
    found: list[CameraInfo] = []
    for device in devices:
        kinds = [str(kind) for kind in device.media_types or ()]
        if kinds and "video" not in kinds:
            continue
        digits = re.fullmatch(r"/dev/video(\d+)", device.name)
        number = int(digits[1]) if digits else len(found)
        found.append(CameraInfo(number, device.name, device.description or device.name))
    return tuple(sorted(found, key=lambda each: each.number))


def open_camera(source: int | str | os.PathLike[str] = 0) -> Camera:
    """Open a camera, a stream of the network or a film.

    Args:
        source: the number of a camera (:func:`list_cameras`), an address such as
            ``rtsp://host/stream`` or ``http://host/video.mjpg``, a file, or ``lavfi:GRAPH``.

    Raises:
        VideoError: if it is not there, may not be used, is in use, or has no pictures.

    Example:
        >>> camera = open_camera("lavfi:testsrc2=size=64x48:rate=30")
        >>> camera.width, camera.height
        (64, 48)
        >>> camera.close()
    """
    name = os.fspath(source) if not isinstance(source, int) else source
    if isinstance(name, int) or re.fullmatch(r"\d+", name):
        return _open_device(int(name))
    if name.startswith(LAVFI):
        container = _opened(name, name.removeprefix(LAVFI), format="lavfi")
        return _camera(container, name, paced=True)
    if _ADDRESS.match(name):
        shown = _without_password(name)
        options = {**_PROMPT, "analyzeduration": _MICROSECONDS_TO_LOOK}
        if name.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"  # whole pictures; over UDP some arrive incomplete
        container = _opened(shown, name, options=options)
        return _camera(container, shown, paced=container.duration is not None)
    if not os.path.lexists(name):
        raise VideoError(
            f"{escaped(name)}: does not exist, and is neither a camera number nor an address "
            "(rtsp://, http://); `impasto live --list` lists the cameras"
        )
    return _camera(_opened(escaped(name), f"file:{name}"), escaped(name), paced=True)


def _open_device(number: int) -> Camera:
    system, known = _system(), list_cameras()
    info = next((each for each in known if each.number == number), None)
    if info is None and (known or "{device}" in system.address):
        raise VideoError(_missing(number, known))
    address = system.address.format(number=number, device=info.device if info else "")
    name = f"camera {number} ({info.name if info else address})"
    for wish in system.wishes:
        try:
            container = _container(address, format=system.format, options={**_PROMPT, **wish})
        except library().error.FFmpegError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
                raise VideoError(_missing(number, known)) from error
            if wish and error.errno not in (errno.EBUSY, errno.EACCES, errno.EPERM):
                continue  # a size or a rate that the camera does not have
            raise VideoError(_refused(name, error)) from error
        return _camera(container, name, paced=False)
    raise AssertionError("the last wish is no wish")


def _opened(name: str, address: str, **how: Any) -> Any:
    errors = library().error
    try:
        return _container(address, **how)
    except (errors.FFmpegError, ValueError) as error:
        raise VideoError(_refused(name, error)) from error


def _container(address: str, **how: Any) -> Any:
    """Open it in another thread, since a signal cannot interrupt FFmpeg while it waits."""
    done: SimpleQueue[Any] = SimpleQueue()

    def work() -> None:
        try:
            limits = _SECONDS_TO_OPEN, _SECONDS_TO_READ
            done.put(library().open(address, timeout=limits, **how))
        except Exception as error:  # raised again below
            done.put(error)

    Thread(target=work, name="open", daemon=True).start()
    found = done.get()
    if isinstance(found, Exception):
        raise found
    return found


def _camera(container: Any, name: str, *, paced: bool) -> Camera:
    stream: Any = picture_stream(container)
    if stream is None:
        container.close()
        raise VideoError(f"{name}: has no video; give a film or a camera")
    stream.codec_context.thread_type = "SLICE"  # threads by frame add delay
    return Camera(container, stream, name, paced=paced)


def _system() -> System:
    system = _SYSTEMS.get(sys.platform)
    if system is None:
        raise VideoError(
            f"cameras are not supported on this system ({sys.platform}); give an address or a file"
        )
    return system


def _missing(number: int, known: tuple[CameraInfo, ...]) -> str:
    if not known:
        return (
            f"there is no camera {number}, nor any other: connect one, or give an address "
            "(rtsp://, http://) or a film"
        )
    names = ", ".join(f"{each.number} ({escaped(each.name)})" for each in known)
    return f"there is no camera {number}; choose {names}"


def _refused(name: str, error: Exception) -> str:
    """The line for a source that cannot be opened."""
    number = getattr(error, "errno", None)
    if number == errno.EBUSY:
        return f"{name}: is in use by another program: close that program first"
    if number in (errno.EACCES, errno.EPERM):
        mend = "check its permissions"
        if name.startswith("camera "):
            mend = _system().permission
        return f"{name}: you have no permission to use it: {mend}"
    mend = "give a film"
    if _ADDRESS.match(name):
        mend = "check the address, and that it is streaming"
    elif name.startswith("camera "):
        mend = "reconnect it, or try another number (`impasto live --list`)"
    return f"{name}: cannot be opened ({_reason(error, _SECONDS_TO_OPEN)}): {mend}"


def _broken(name: str, error: Exception, *, live: bool) -> str:
    """The line for a source that fails while it runs."""
    mend = "it was unplugged, or the connection was lost" if live else "the file is damaged"
    return f"{name}: no more frames ({_reason(error, _SECONDS_TO_READ)}): {mend}"


def _reason(error: Exception, seconds: float) -> str:
    if isinstance(error, library().error.ExitError):  # timeout of PyAV
        return f"no data for {seconds:g} s"
    return one_line(error)


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    if parts.username is None and parts.password is None:
        return escaped(address)
    return escaped(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
