"""Trace of one photograph through Impasto: calls, files, changes of file, and its wrappings.

    python benchmarks/content_trace.py [CONTENT STYLE] [--chains N] [--sequence FILE] [--json FILE]

Runs ``impasto stylize a.jpg b.jpg -o out.png`` within this process and watches it by the profile
hook of Python, whichever ``impasto`` is on the path. The counts depend on the code alone, not on
the machine: they are the same in every run, and contain no times.

A call is every entry into a named function of the package while the command runs, from ``main`` to
its end, and the resuming of a generator is one too. Functions without a name of their own
(lambdas, comprehensions, generator expressions) are part of the function around them, and imports
are no calls. A change of file is a call in another file than the call before it.

A wrapping is a kind of value that holds the photograph on its way to the file of the result: its
path, its pixels or features, a Pillow image of it, or its encoded bytes. Dataclasses and named
tuples of the package are found by what is in their fields, wherever they are made or passed; what
else counts stands in two tables, RAW and BY_NAME. Arrays are known by their shape, so the pictures
must differ in theirs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import importlib.util
import inspect
import io
import json
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"
CONTENT, STYLE, RESULT = "a.jpg", "b.jpg", "out.png"

RAW: dict[str, type] = {"Pillow image": Image.Image, "bytes": bytes}
"""Types outside the package that count as wrappings when they hold the photograph."""

BY_NAME: tuple[str, ...] = ("OpenPicture",)
"""Classes of the package that count although their constructor is written by hand. A class that is
neither here nor a dataclass or a named tuple is a worker, not a value; workers are listed, but not
counted."""

BEFORE = (
    *("Source", "Plan", "Job", "Header", "FilePicture", "Decoded", "Photo", "Content", "Encoded"),
    *("Painted", "Rendered", "Pillow image", "bytes"),
)
"""Wrappings in the code before its packages were reorganized, for a list of differences."""

STRIDES = (1, 2, 4, 8, 16, 32)
"""Strides of features in the networks: pixels to a feature, along a side."""
PADDING = 64
"""Limit of the padding of a picture for a network, in pixels a side."""
DEPTH = 4
"""Depth of the search within nested values."""
NOT_ARGUMENTS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


class Call(NamedTuple):
    """One entry into a function.

    Attributes:
        depth: number of calls that are open around it.
        file: the file of the function.
        function: its qualified name.
        caller: the file of the nearest call around it, "" for none.
        with_photo: True if an argument holds the photograph.
    """

    depth: int
    file: str
    function: str
    caller: str
    with_photo: bool


class Count(NamedTuple):
    """Numbers of calls, their files, and changes from one file to another."""

    calls: int
    files: int
    changes: int


@dataclasses.dataclass
class Wrapping:
    """A type of values that hold the photograph: its contents, first place and instances."""

    name: str
    module: str
    holds: str
    place: str
    values: dict[int, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Subject:
    """Names and size of the photograph, by which values that hold it are recognized."""

    names: frozenset[str]
    height: int
    width: int

    @classmethod
    def of(cls, path: Path) -> Subject:
        """Describe the photograph in a file."""
        with Image.open(path) as picture:
            width, height = picture.size
        return cls(frozenset({path.name, str(path), os.path.realpath(path)}), height, width)

    def covers(self, height: int, width: int) -> bool:
        """Return True if rows and columns match the photograph's pixels or features."""
        return any(
            -stride < height * stride - self.height <= PADDING
            and -stride < width * stride - self.width <= PADDING
            for stride in STRIDES
        )

    def form_of(self, value: object) -> str:
        """Classify a plain value as a form of the photograph, such as its path; "" for none."""
        if isinstance(value, str | os.PathLike):
            return "path" if os.fspath(value) in self.names else ""
        if isinstance(value, np.ndarray):
            found = any(self.covers(*sides) for sides in pairwise(value.shape))
            return "array" if found else ""
        if isinstance(value, Image.Image):
            return "Pillow image" if self.covers(value.height, value.width) else ""
        if isinstance(value, bytes):
            # For any other format Pillow would load all its readers, which would change the trace.
            with (
                contextlib.suppress(Exception),
                Image.open(io.BytesIO(value), formats=("JPEG", "PNG")) as picture,
            ):
                return "bytes" if self.covers(picture.height, picture.width) else ""
        return ""


class Trace:
    """Recorder of the calls and values of the package while a command runs.

    Attributes:
        calls: in their order.
        wrappings: by type, in the order of their first instances.
        workers: other classes that hold the photograph, with the place of their first instance.
    """

    def __init__(self, package: str, subject: Subject, result: Path) -> None:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise SystemExit(f"there is no package {package} on the path")
        self.calls: list[Call] = []
        self.wrappings: dict[object, Wrapping] = {}
        self.workers: dict[str, str] = {}
        self._package = package
        self._root = os.path.join(spec.submodule_search_locations[0], "")  # noqa: PTH118
        self._subject = subject
        self._result = result
        self._written = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Record everything that runs in the block, in other threads too."""
        threading.setprofile(self._event)
        sys.setprofile(self._event)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _event(self, frame: FrameType, event: str, value: object) -> None:
        code = frame.f_code
        if event == "call" and self._ours(code):
            self._enter(frame)
        elif event == "return" and self._ours(code):
            self._inspect(value, frame)
            if code.co_name == "__init__":
                self._inspect(_first(frame), frame)
        elif event == "return" and code.co_filename == "<string>":  # of a generated constructor
            made = value if code.co_varnames[:1] == ("_cls",) else _first(frame)
            self._inspect(made, frame)

    def _enter(self, frame: FrameType) -> None:
        """Count a call."""
        around = list(self._around(frame))
        if not all(map(_is_function, (frame.f_code, *around))):  # a body that is being imported
            return
        with_photo = any([bool(self._inspect(each, frame)) for each in _arguments(frame)])
        if _is_named(frame.f_code):
            around = list(filter(_is_named, around))
            caller = self._file(around[0]) if around else ""
            name = frame.f_code.co_qualname.replace(".<locals>", "")
            self.calls.append(Call(len(around), self._file(frame.f_code), name, caller, with_photo))

    def _inspect(self, value: object, frame: FrameType, depth: int = 0) -> str:
        """Return the forms of the photograph in a value, "" for none; record wrappings."""
        kind = type(value)
        if form := self._subject.form_of(value):
            if form in RAW:
                self._record(form, RAW[form], value, "", frame)
            return form
        if depth == DEPTH:
            return ""
        ours = kind.__module__.split(".")[0] == self._package
        if ours and kind in self.wrappings and id(value) in self.wrappings[kind].values:
            return kind.__name__
        inside = _fields(value) if ours else value
        if isinstance(inside, dict):
            inside = tuple(inside.values())
        if not isinstance(inside, tuple | list):
            return ""
        # All of them, since each may hold something that is not recorded yet.
        found = [self._inspect(each, frame, depth + 1) for each in inside]
        holds = ", ".join(dict.fromkeys(filter(None, found)))
        if not ours or not holds:
            return holds
        counts = dataclasses.is_dataclass(kind) or hasattr(kind, "_fields")
        if counts or kind.__name__ in BY_NAME:
            self._record(kind.__name__, kind, value, holds, frame)
            return kind.__name__
        self.workers.setdefault(kind.__name__, self._place(frame))
        return ""

    def _record(self, name: str, kind: type, value: object, holds: str, frame: FrameType) -> None:
        # Values made after the result was written are reports, and do not hold the photograph.
        self._written = self._written or (
            self._result.is_file() and self._result.stat().st_size > 0
        )
        if self._written:
            return
        place = self._place(frame)
        module = "" if name in RAW else kind.__module__
        wrapping = self.wrappings.setdefault(kind, Wrapping(name, module, holds, place))
        wrapping.values[id(value)] = value  # kept, so that no other value gets its id

    def _place(self, frame: FrameType) -> str:
        """Return the innermost function of the package at a frame."""
        for code in (frame.f_code, *self._around(frame)):
            if self._ours(code) and _is_named(code) and code.co_name != "__init__":
                return f"{self._file(code)}:{code.co_qualname.replace('.<locals>', '')}"
        return ""

    def _around(self, frame: FrameType) -> Iterator[CodeType]:
        """Iterate over the package's code that is open around a frame, the nearest first."""
        outer = frame.f_back
        while outer is not None:
            if self._ours(outer.f_code):
                yield outer.f_code
            outer = outer.f_back

    def _ours(self, code: CodeType) -> bool:
        return code.co_filename.startswith(self._root)

    def _file(self, code: CodeType) -> str:
        return code.co_filename[len(self._root) :].replace(os.sep, "/")


def _is_function(code: CodeType) -> bool:
    """Return True if code is a function, not the body of a module or a class."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


def _is_named(code: CodeType) -> bool:
    return not code.co_name.startswith("<")


def _arguments(frame: FrameType) -> list[object]:
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    count += (code.co_flags & NOT_ARGUMENTS).bit_count()
    return [frame.f_locals[name] for name in code.co_varnames[:count] if name in frame.f_locals]


def _first(frame: FrameType) -> object:
    """Return the first argument, which is the object under construction."""
    return frame.f_locals.get(frame.f_code.co_varnames[0]) if frame.f_code.co_varnames else None


def _fields(value: object) -> object:
    """Return the fields of an object of the package."""
    if isinstance(value, tuple):
        return tuple(value)
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return (*getattr(value, "__dict__", {}).values(), *(getattr(value, n, None) for n in slots))


def run(content: Path, style: Path, options: Sequence[str]) -> Trace:
    """Trace the command for copies of two pictures."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        place = Path(folder)
        shutil.copyfile(content, place / CONTENT)
        shutil.copyfile(style, place / STYLE)
        subject, other = Subject.of(place / CONTENT), Subject.of(place / STYLE)
        if any(subject.covers(other.height // each, other.width // each) for each in STRIDES):
            raise SystemExit(f"{style}: has the same shape as {content}, so arrays are ambiguous")
        trace = Trace("impasto", subject, place / RESULT)
        main: Any = importlib.import_module("impasto.cli").main
        output = io.StringIO()
        before, sys.argv = sys.argv, ["impasto", "stylize", CONTENT, STYLE, "-o", RESULT, *options]
        code: object = None
        try:
            # On a terminal the command would also show progress, which should not be traced.
            with (
                contextlib.redirect_stdout(output),
                contextlib.redirect_stderr(output),
                trace.watching(),
            ):
                main()
        except SystemExit as end:
            code = end.code
        finally:
            sys.argv = before
        if code or not (place / RESULT).is_file():
            raise SystemExit(f"the command failed:\n{output.getvalue()}")
    return trace


def count(calls: Sequence[Call]) -> Count:
    """Count the calls, files and changes of file in a sequence of calls."""
    files = [call.file for call in calls]
    changes = sum(one != other for one, other in pairwise(files))
    return Count(len(files), len(set(files)), changes)


def chains(calls: Sequence[Call], limit: int) -> list[tuple[Call, Count]]:
    """Find the calls with the most calls in them, in their order.

    A call contains at least as many as any call that it makes, so the result is a tree.
    """
    found = []
    for number, call in enumerate(calls):
        end = number + 1
        while end < len(calls) and calls[end].depth > call.depth:
            end += 1
        found.append((call, count(calls[number:end]), number))
    costly = sorted(found, key=lambda each: -each[1].calls)[:limit]
    return [(call, sums) for call, sums, _ in sorted(costly, key=lambda each: each[2])]


def summary(trace: Trace) -> str:
    """Format the counts and the list of the wrappings."""
    total = count(trace.calls)
    with_photo = count([call for call in trace.calls if call.with_photo])
    across = sum(call.file != call.caller for call in trace.calls if call.caller)
    lines = [
        f"calls            {total.calls:4}  from one file into another: {across}",
        f"files            {total.files:4}",
        f"changes of file  {total.changes:4}",
        f"wrappings        {len(trace.wrappings):4}",
        f"with the photograph as an argument: {with_photo.calls} calls, {with_photo.files} files, "
        f"{with_photo.changes} changes of file",
        "",
        "wrappings, number of instances, contents, and place of the first",
    ]
    for each in trace.wrappings.values():
        lines.append(f"  {each.name:14}{len(each.values):3}  {each.holds:24}  {each.place}")
    names = [each.name for each in trace.wrappings.values()]
    for word, those in (
        ("new", [name for name in names if name not in BEFORE]),
        ("gone", [name for name in BEFORE if name not in names]),
        ("not counted", [f"{name} ({place})" for name, place in trace.workers.items()]),
    ):
        if those:
            lines.append(f"  {word}: {', '.join(those)}")
    return "\n".join(lines)


def entries(trace: Trace) -> str:
    """Format the files with their numbers of calls, and of calls from other files."""
    lines = ["calls  entries  file"]
    entered = Counter(call.file for call in trace.calls if call.file != call.caller)
    for file, calls in Counter(call.file for call in trace.calls).most_common():
        lines.append(f"{calls:5}  {entered[file]:7}  {file}")
    return "\n".join(lines)


def costs(trace: Trace, limit: int) -> str:
    """Format the costliest calls, each below its caller."""
    lines = ["calls  changes  function"]
    for call, sums in chains(trace.calls, limit):
        where = f"{'  ' * call.depth}{call.file}:{call.function}"
        lines.append(f"{sums.calls:5}  {sums.changes:7}  {where}")
    return "\n".join(lines)


def sequence(trace: Trace) -> str:
    """Format every call on a line, with a star for those with the photograph as an argument."""
    lines = []
    for call in trace.calls:
        mark = "*" if call.with_photo else " "
        lines.append(f"{mark} {'  ' * call.depth}{call.file}:{call.function}\n")
    return "".join(lines)


def numbers(trace: Trace) -> dict[str, object]:
    """Return the counts of :func:`summary` as values for JSON."""
    return {
        **count(trace.calls)._asdict(),
        "with_photo": count([call for call in trace.calls if call.with_photo])._asdict(),
        "wrappings": {each.name: len(each.values) for each in trace.wrappings.values()},
        "by_file": dict(Counter(call.file for call in trace.calls)),
    }


def main() -> None:
    """Trace the command and print the counts."""
    description, *_, definition = (__doc__ or "").partition("\n\nA call is")
    parser = argparse.ArgumentParser(
        description=description.splitlines()[0],
        epilog=f"A call is{definition}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("content", nargs="?", type=Path, metavar="CONTENT", help="default: an example photograph")
    add("style", nargs="?", type=Path, metavar="STYLE", help="default: an example picture")
    add("--engine", metavar="NAME", default="onnxruntime", help="default: %(default)s, the one "
        "that every installation has; 'default' leaves the choice to the command")  # fmt: skip
    add("--model", metavar="NAME", help="default: the command's")
    add("--chains", type=int, metavar="N", default=0, help="also print the N costliest calls")
    add("--files", action="store_true", help="also print how often each file is entered")
    add("--sequence", type=Path, metavar="FILE", help="write every call to FILE")
    add("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    options = parser.parse_args()
    if options.content is not None and options.style is None:
        parser.error("give both pictures or none")
    content = (options.content or EXAMPLES / "photos" / "rocket.jpg").resolve()
    style = (options.style or EXAMPLES / "styles" / "wave.jpg").resolve()
    arguments = [] if options.engine == "default" else ["--engine", options.engine]
    arguments += ["--model", options.model] if options.model else []

    trace = run(content, style, arguments)
    package = importlib.import_module("impasto")
    print(f"impasto {package.__version__} in {Path(*package.__path__)}\n")
    print(summary(trace))
    if options.files:
        print("", entries(trace), sep="\n")
    if options.chains:
        print("", costs(trace, options.chains), sep="\n")
    if options.sequence:
        options.sequence.write_text(sequence(trace), encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps(numbers(trace), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
