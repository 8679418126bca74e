"""Command ``impasto live``: paint a camera live, on a page, into a file, as a virtual camera."""

from __future__ import annotations

import io
import signal
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from impasto.batch.inputs import check_there, find_styles, is_pattern
from impasto.cli.lines import describe, say
from impasto.cli.options import FilmModelOptions, options_of, overwrite_option, progress_bar
from impasto.controls import Controls
from impasto.errors import ImpastoError, OptionError, VideoError, counted, escaped
from impasto.images.options import ReadOptions, check_size, option
from impasto.web import HOST, PORT, check_installed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impasto.controls import Map
    from impasto.images.photo import Photo
    from impasto.styles.style import Style
    from impasto.stylizer import Stylizer
    from impasto.video.live import LiveFrame, LiveFrames, LiveSettings
    from impasto.video.live.cameras import Camera
    from impasto.video.live.recording import Recording
    from impasto.video.live.virtual import VirtualCamera
    from impasto.web.live import LiveState
    from impasto.web.newest import Newest

# Good enough for a picture that is seen for a tenth of a second, and fast to encode.
_QUALITY = 85

# The delay shown is the median of the last few frames; the summary covers the last hours.
_SHOWN, _KEPT = 15, 100_000

_LINE_SECONDS = 0.25

# Styles are switched between, not mixed, and every frame has the same controls.
_LEFT_OUT = (
    "controls.weights",
    "controls.masks",
    "read.size",
    "read.keep_gps",
    "engine.model",
)


@dataclass(frozen=True, kw_only=True)
class LiveTask:
    """Options of the camera and of the outputs.

    Attributes:
        camera: the source.
        style: names of styles.
        model: name or file of the model; the fastest by default.
        size: shorter side of the frames; None for the library's default.
        mask: mask of the painted area.
        list: only list the cameras.
        port: port of the page.
        host: host of the page.
        open: open the page in a browser.
        no_page: serve no page.
        record: file to record to.
        virtual_camera: show the frames as a virtual camera too.
        quiet: print errors only.
    """

    camera: str = option(
        "0",
        "Camera number, address (rtsp://, http://), or a film, which is played at its own speed.",
        metavar="N|URL|FILE",
        complete="film",
    )
    style: Sequence[str] = option(
        (),
        "Style: a picture, or a name from `impasto styles`. Several can be given, also as a folder "
        "or a pattern such as 'monet-*': the first is shown, and the page switches between them.",
        short="-s",
        metavar="STYLE",
        complete="style",
    )
    model: str = option(
        "fast",
        "Model: a name from `impasto models`, an .impasto file, or module:NAME in Python.",
        metavar="NAME|FILE",
        complete="model",
    )
    size: int | None = option(
        None,
        "Reduce larger frames to this shorter side. Half the size is four times as fast.",
        metavar="N",
        reads="video.live:LiveSettings:size",
    )
    mask: Map | None = option(
        None,
        "Mask of the painted area: a gray picture, or one with an alpha channel. The rest shows "
        "the camera's own picture.",
        metavar="FILE",
    )
    list: bool = option(False, "List the cameras and exit.")
    port: int | None = option(
        None,
        "Port of the page; 0 for any free port.",
        metavar="N",
        shown=f"{PORT}, or any free port",
    )
    host: str = option(
        HOST,
        "Address to serve the page at; 0.0.0.0 for all addresses of this machine, so that other "
        "machines can see it.",
        metavar="ADDRESS",
    )
    open: bool = option(False, "Open the page in a browser.")
    no_page: bool = option(False, "Do not serve a page; needs --record or --virtual-camera.")
    record: Path | None = option(
        None, "Record the painted picture: .mp4, .mov or .mkv, without sound.", metavar="FILE"
    )
    virtual_camera: bool = option(
        False,
        "Provide the painted picture as a virtual camera, for video calls and OBS (pip "
        "install 'impasto[camera]').",
    )
    quiet: bool = option(False, "Print errors only.", short="-q")


@click.command()
@options_of(
    task=LiveTask,
    controls=Controls,
    read=ReadOptions,
    engine=FilmModelOptions,
    leave_out=_LEFT_OUT,
)
@overwrite_option("Overwrite the file of --record if it exists.")
def live(
    task: LiveTask, controls: Controls, read: ReadOptions, engine: FilmModelOptions, overwrite: bool
) -> int:
    """Paint a live camera, shown on a page in the browser.

    The newest frame is always painted: a slow model drops frames instead of falling behind. Style
    and strength can be changed on the page, or with its keys. Ctrl-C stops the command.

    By default only this machine can open the page. A film in place of the camera is played at its
    own speed, and the command stops at its end.

    \b
    impasto live -s munch-scream
    impasto live -s 'monet-*' -s wave.jpg --size 256
    impasto live --list
    impasto live --camera rtsp://192.168.1.9/stream -s munch-scream --record evening.mp4
    impasto live --camera holiday.mp4 -s munch-scream
    """
    if task.list:
        return _list()
    if not task.style:
        raise OptionError(
            "a style is missing: impasto live -s munch-scream; `impasto styles` lists more"
        )
    if task.no_page and not (task.record or task.virtual_camera):
        raise OptionError(
            "with --no-page there is no output: give --record FILE or --virtual-camera too"
        )
    check_size(task.size)
    check_there([name for name in task.style if not is_pattern(name)])
    if not task.no_page:
        check_installed()
    from impasto.video.live import LiveFrames, LiveSettings
    from impasto.video.live.cameras import open_camera
    from impasto.video.live.recording import Recording
    from impasto.video.live.virtual import VirtualCamera

    if task.mask is not None:
        controls = replace(controls, masks=[task.mask])
    with ExitStack() as opened, ExitStack() as early:
        recording = Recording(task.record, overwrite=overwrite) if task.record else None
        virtual = opened.enter_context(VirtualCamera()) if task.virtual_camera else None
        camera = open_camera(task.camera)
        early.callback(camera.close)
        loaded, styles, controls = _prepared(
            opened, task, controls, read, replace(engine, model=task.model)
        )
        first = LiveSettings((next(iter(styles.values())),), controls)
        if task.size is not None:
            first = replace(first, size=task.size)
        if recording is not None:
            opened.enter_context(recording)
        frames = LiveFrames(loaded, camera, first)
        stage = _Stage(loaded, camera, frames, styles, recording)
        newest = None if task.no_page else _serve(opened, task, stage)
        early.pop_all()  # the frames close the camera, in the thread that reads from it
        opened.enter_context(frames)
        _run(task, stage, _Screens(newest, recording, virtual))
    if not task.quiet:
        say(f"impasto: {stage.summary()}", err=True)
    return 0


def _list() -> int:
    from impasto.video.live.cameras import list_cameras

    found = list_cameras()
    if not found:
        raise VideoError(
            "this machine has no camera: connect one, or give --camera an address (rtsp://, "
            "http://) or a film"
        )
    for camera in found:
        say(f"{camera.number}  {camera.name}  ({camera.device})")
    return 0


def _prepared(
    opened: ExitStack,
    task: LiveTask,
    controls: Controls,
    read: ReadOptions,
    model: FilmModelOptions,
) -> tuple[Stylizer, dict[str, Style | Photo], Controls]:
    """Load the model, and prepare what frames need: styles by their labels, and open maps."""
    from impasto.batch.names import style_labels
    from impasto.batch.run import prepare_styles
    from impasto.painting import Budget
    from impasto.styles.library import trained_names

    bundle = model.bundle()
    names, problems = find_styles(
        task.style,
        model=lambda: bundle.identity if bundle else "",
        built_in=trained_names(bundle) if bundle else (),
        tell=None if task.quiet else lambda line: say(f"impasto: {line}", err=True),
    )
    if problems:
        raise OptionError(problems[0])
    labels = style_labels(task.style, names)
    styles: dict[str, Style | Photo] = {}
    with progress_bar("loading the model", 1 + len(names), quiet=task.quiet) as bar:
        loaded = model.load()
        loaded.check(controls, 1, Budget())
        controls = controls.opened(opened, max_pixels=read.max_pixels)
        loaded.check(controls, 1, Budget())
        bar.update()
        for each in prepare_styles(loaded, names, controls, read):
            if isinstance(each.value, ImpastoError):
                raise each.value
            describe(bar, f"style {labels[each.name]}")
            bar.update()
            styles[labels[each.name]] = each.value
    return loaded, styles, controls


def _serve(opened: ExitStack, task: LiveTask, stage: _Stage) -> Newest:
    """Serve the page until everything is closed."""
    from impasto.web.live import live_app
    from impasto.web.newest import Newest
    from impasto.web.server import PageServer

    newest = Newest()
    server = opened.enter_context(
        PageServer(live_app(stage, newest), host=task.host, port=task.port)
    )
    opened.callback(newest.close)
    if not task.quiet:
        say(f"{server.address} shows {stage.camera.name}; press Ctrl-C to stop")
        if not server.loopback:
            say(
                "impasto: anyone who can reach this machine can see the page and change the style",
                err=True,
            )
    if task.open:
        import webbrowser

        webbrowser.open(server.address)
    return newest


def _run(task: LiveTask, stage: _Stage, screens: _Screens) -> None:
    """Paint until the camera ends or Ctrl-C is pressed; other signals are passed on."""
    from tqdm import tqdm

    # On a terminal one line shows the progress; elsewhere it would become thousands of lines.
    bar = tqdm(
        bar_format="{desc}",
        disable=task.quiet or None,  # None: unless it is a terminal
        leave=False,
        mininterval=_LINE_SECONDS,
    )
    with bar:
        try:
            for frame in stage.frames:
                screens.show(frame)
                stage.count(frame, perf_counter() - frame.captured)
                describe(bar, stage.line())
                bar.update()
        except KeyboardInterrupt as stopped:
            if getattr(stopped, "number", signal.SIGINT) != signal.SIGINT:
                raise


@dataclass(frozen=True)
class _Screens:
    """All outputs that frames are shown on.

    Attributes:
        page: the page in the browser.
        recording: the film that is recorded.
        virtual: the virtual camera.
    """

    page: Newest | None
    recording: Recording | None
    virtual: VirtualCamera | None

    def show(self, frame: LiveFrame) -> None:
        """Show a frame on all outputs, first on those that are watched live."""
        if self.page is not None:
            self.page.put(_jpeg(frame.image))
        if self.virtual is not None:
            self.virtual.show(frame.image)
        if self.recording is not None:
            self.recording.write(frame.image, frame.captured)


def _jpeg(image: NDArray[Any]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


class _Stage:
    """A live painting as its page sees it (:class:`impasto.web.live.Stage`), and its figures.

    Attributes:
        camera: the source.
        frames: the loop over painted frames.
    """

    def __init__(
        self,
        model: Stylizer,
        camera: Camera,
        frames: LiveFrames,
        styles: Mapping[str, Style | Photo],
        recording: Recording | None,
    ) -> None:
        self.camera, self.frames = camera, frames
        self._model, self._styles, self._recording = model, styles, recording
        self._style = next(iter(styles))
        self._lock = Lock()  # two pages may change it at once
        self._begin = self._end = perf_counter()
        self._painted = self._dropped = 0
        self._rate = self._delay = 0.0
        self._delays: deque[float] = deque(maxlen=_KEPT)
        self._recent: deque[float] = deque(maxlen=_SHOWN)

    def count(self, frame: LiveFrame, delay: float) -> None:
        """Count a frame that is shown, ``delay`` seconds after it was captured."""
        self._painted = frame.painted + 1
        self._dropped = frame.number - frame.painted
        self._rate = frame.rate
        self._delays.append(delay)
        self._recent.append(delay)
        self._delay = statistics.median(self._recent)
        self._end = perf_counter()

    def state(self) -> LiveState:
        """The state for the page."""
        from impasto.web.live import LiveState

        painter, recording = self._model.painter, self._recording
        return LiveState(
            source=escaped(self.camera.name),
            model=f"{painter.name}, {painter.engine.name} {painter.engine.precision}",
            styles=tuple(self._styles),
            style=self._style,
            alpha=self._alpha,
            alpha_range=self._model.limits.alpha,
            frames=self._painted,
            dropped=self._dropped,
            rate=self._rate,
            delay=self._delay,
            recording=escaped(recording.path.name) if recording else None,
        )

    def change(self, *, style: str | None = None, alpha: float | None = None) -> None:
        """Change style or strength, from the next frame on.

        Raises:
            ImpastoError: if that is not possible.
        """
        with self._lock:
            settings: LiveSettings = self.frames.settings
            if style is not None:
                if style not in self._styles:
                    raise OptionError(
                        f"there is no style {escaped(style)!r} here; choose one of "
                        f"{', '.join(self._styles)}"
                    )
                settings = replace(settings, styles=(self._styles[style],))
            if alpha is not None:
                if self._alpha is None:
                    raise OptionError("the strength is fixed by the picture of --alpha")
                controls = replace(settings.controls, alpha=float(alpha))
                settings = replace(settings, controls=controls)
            self.frames.settings = settings
            self._style = style or self._style

    def line(self) -> str:
        """The status line on a terminal.

        It has the style, the strength, the frame rate and the delay.
        """
        strength = "" if self._alpha is None else f", strength {self._alpha:.0%}"
        return (
            f"{self._style}{strength}: {self._rate:.1f} frames/s, {self._delay * 1000:.0f} ms "
            f"delay, {self._dropped} dropped"
        )

    def summary(self) -> str:
        """The summary line at the end.

        Example:
            132 frames in 12.3 s (10.7 a second), 230 dropped; delay 98 ms, 95 % below 120 ms
        """
        if not self._delays:
            return "no frames were painted"
        seconds = self._end - self._begin
        delays = sorted(self._delays)
        median, late = (1000 * delays[len(delays) * part // 100] for part in (50, 95))
        text = (
            f"{counted(self._painted, 'frame')} in {seconds:.1f} s ({self._painted / seconds:.1f} "
            f"a second), {self._dropped} dropped; delay {median:.0f} ms, 95 % below {late:.0f} ms"
        )
        if self._recording is not None:
            text += f"; recorded {escaped(str(self._recording.path))}"
        return text

    @property
    def _alpha(self) -> float | None:
        alpha = self.frames.settings.controls.alpha
        return alpha if isinstance(alpha, float) else None
