"""Files are written whole or not at all, through links, and what killed calls left is removed."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from impasto.batch.outputs import error_line
from impasto.cli.signals import Stopped, stopping
from impasto.controls.moments import Moments
from impasto.errors import ImageError, StyleError, interruption
from impasto.images import files
from impasto.images.files import (
    claim,
    remove_leftovers,
    whole_file,
    whole_folder,
    write_whole,
)
from impasto.images.options import SaveOptions
from impasto.images.writing import write_image
from impasto.styles.files import save_style
from impasto.styles.style import Style

# A call that writes two files and holds a name, tells so, and waits to be killed.
WRITER = """
import sys, time
from contextlib import ExitStack
from pathlib import Path
from impasto.images import files
if sys.argv[2] == "named":
    files._open_nameless = lambda folder: None
folder = Path(sys.argv[1])
with ExitStack() as stack:
    for name in ("a.bin", "b.bin"):
        stack.enter_context(files.whole_file(folder / name, overwrite=False)).write(b"half")
    stack.enter_context(files.claim(folder / "c.bin"))
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["nameless", "named", "unlinkable"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """File systems: with files that have no name, without, and with such that get none."""
    if request.param == "named":
        monkeypatch.setattr(files, "_open_nameless", lambda folder: None)
    elif request.param == "unlinkable":

        def refuse(handle: int, path: Path) -> None:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(files, "_link_nameless", refuse)
    return str(request.param)


@pytest.fixture
def killed(folder: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Start calls that write into the folder and wait."""
    running = []

    def start(kind: str = "named") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), kind], stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def names() -> set[str]:
    return {path.name for path in Path().iterdir()}


# --- whole or not at all ---------------------------------------------------------------------


def test_a_file_gets_its_name_when_it_is_whole(folder: Path, system: str):
    with whole_file(Path("a.bin"), overwrite=False) as file:
        file.write(b"one ")
        file.flush()
        assert not Path("a.bin").exists()
        file.write(b"two")
    assert names() == {"a.bin"} and Path("a.bin").read_bytes() == b"one two"
    with pytest.raises(FileExistsError):
        write_whole(Path("a.bin"), b"other", overwrite=False)
    write_whole(Path("a.bin"), b"new", overwrite=True)
    with pytest.raises(ZeroDivisionError), whole_file(Path("a.bin"), overwrite=True) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert names() == {"a.bin"} and Path("a.bin").read_bytes() == b"new"


def test_a_name_that_is_taken_meanwhile_is_spared(folder: Path, system: str):
    with pytest.raises(FileExistsError), whole_file(Path("a.bin"), overwrite=False) as file:
        file.write(b"late")
        Path("a.bin").write_bytes(b"early")
    assert names() == {"a.bin"} and Path("a.bin").read_bytes() == b"early"


def test_rights_are_those_of_any_file_and_of_the_one_replaced(folder: Path, system: str):
    before = os.umask(0o027)
    try:
        write_whole(Path("a.bin"), b"new", overwrite=False)
        write_whole(Path("b.bin"), b"new", overwrite=True)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(Path(name).stat().st_mode) for name in ("a.bin", "b.bin")]
    assert modes == [0o640, 0o640]
    for mode in (0o600, 0o664, 0o444, 0o755):
        Path("a.bin").chmod(mode)
        write_whole(Path("a.bin"), b"again", overwrite=True)
        assert stat.S_IMODE(Path("a.bin").stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_the_owner_stays(folder: Path):
    Path("a.bin").write_bytes(b"old")
    os.chown("a.bin", 1234, 2345)
    write_whole(Path("a.bin"), b"new", overwrite=True)
    assert (Path("a.bin").stat().st_uid, Path("a.bin").stat().st_gid) == (1234, 2345)


def test_errors_leave_nothing(folder: Path, system: str):
    Path("sub").mkdir()
    for path, error in [
        (Path("gone/a.bin"), FileNotFoundError),
        (Path("sub"), OSError),
        (Path("a\0.bin"), ValueError),
        (Path("x" * 256), OSError),
    ]:
        with pytest.raises(error):
            write_whole(path, b"data", overwrite=True)
    assert names() == {"sub"} and not list(Path("sub").iterdir())


# --- links -----------------------------------------------------------------------------------


def _picture(path: Path) -> None:
    write_image(np.zeros((4, 4, 3), np.uint8), path, save=SaveOptions(overwrite=True))


def _style(path: Path) -> None:
    save_style(Style("wave", "0" * 16, (Moments(np.zeros(2), np.ones(2)),)), path, overwrite=True)


WRITERS = [(_picture, ".png", ImageError), (_style, ".safetensors", StyleError)]


@pytest.mark.parametrize(("write", "suffix", "error"), WRITERS)
def test_links_are_written_through(
    folder: Path, write: Callable[[Path], None], suffix: str, error: type[Exception]
):
    Path("disk/deep").mkdir(parents=True)
    link, target = Path(f"link{suffix}"), Path(f"disk/deep/target{suffix}")
    Path(f"disk/middle{suffix}").symlink_to(f"deep/target{suffix}")
    link.symlink_to(f"disk/middle{suffix}")
    write(link)  # to nothing: the file that the links lead to is made
    whole = target.read_bytes()
    target.write_bytes(b"old")
    target.chmod(0o600)
    write(link)
    assert target.read_bytes() == whole and stat.S_IMODE(target.stat().st_mode) == 0o600
    assert link.is_symlink() and Path(f"disk/middle{suffix}").is_symlink()
    assert {path.name for path in target.parent.iterdir()} == {target.name}


@pytest.mark.parametrize(("write", "suffix", "error"), WRITERS)
def test_links_that_lead_nowhere_are_refused(
    folder: Path, write: Callable[[Path], None], suffix: str, error: type[Exception]
):
    Path("sub").mkdir()
    Path(f"b{suffix}").symlink_to(f"a{suffix}")
    for name, target, why in [
        ("a", f"b{suffix}", "it is a link that points back to itself"),
        ("self", f"self{suffix}", "it is a link that points back to itself"),
        (
            "away",
            f"gone/x{suffix}",
            "it is a link into .*gone, which is not a folder; make it first",
        ),
        ("folder", "sub", "is a folder"),
    ]:
        path = Path(f"{name}{suffix}")
        path.symlink_to(target)
        with pytest.raises(error, match=rf"^{path}: .*{why}"):
            write(path)
        assert path.is_symlink()
        path.unlink()
    assert names() == {"sub", f"b{suffix}"}


def test_without_overwriting_a_link_is_a_name_that_is_taken(folder: Path, system: str):
    Path("link.png").symlink_to("nothing.png")
    with pytest.raises(FileExistsError):
        write_whole(Path("link.png"), b"new", overwrite=False)
    assert names() == {"link.png"} and Path("link.png").is_symlink()


def test_other_hard_links_keep_the_old_file(folder: Path):
    Path("a.bin").write_bytes(b"old")
    Path("b.bin").hardlink_to("a.bin")
    write_whole(Path("a.bin"), b"new", overwrite=True)
    assert (Path("a.bin").read_bytes(), Path("b.bin").read_bytes()) == (b"new", b"old")


# --- leftovers -------------------------------------------------------------------------------


def test_leftovers_of_killed_calls_are_removed_and_those_of_running_ones_stay(
    folder: Path, killed: Callable[..., subprocess.Popen[str]]
):
    first, second = killed(), killed()
    assert len(names()) == 5  # two files of each, and the name that both wanted
    remove_leftovers(folder)
    assert len(names()) == 5
    first.kill()
    first.wait()
    remove_leftovers(folder)
    assert len(names()) == 2
    second.kill()
    second.wait()
    write_whole(Path("other.bin"), b"next", overwrite=False)
    assert names() == {"other.bin"}


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files without names are of Linux")
def test_a_killed_call_leaves_no_byte_where_files_need_no_name(
    folder: Path, killed: Callable[..., subprocess.Popen[str]]
):
    process = killed("nameless")
    process.kill()
    process.wait()
    assert [path.stat().st_size for path in folder.iterdir()] == [0]  # the name that it held
    remove_leftovers(folder)
    assert names() == set()


def test_a_leftover_of_another_machine_has_a_day(folder: Path):
    kept = [".impasto-0123456789abcdef.partial", ".impasto-ffffffff-0123.partial"]
    others = [".impasto-notes.txt", "x.partial", ".impasto-x.partial.png"]
    for name in (*kept, *others):
        Path(name).write_bytes(b"half")
    Path(".impasto-ffffffff-dead.partial").mkdir()
    remove_leftovers(folder)
    assert names() == {*kept, *others, ".impasto-ffffffff-dead.partial"}
    old = time.time() - 25 * 3600
    for name in names():
        os.utime(name, (old, old))
    os.utime(kept[0])  # somebody has written to it
    remove_leftovers(folder)
    assert names() == {kept[0], *others, ".impasto-ffffffff-dead.partial"}


def test_a_link_that_looks_like_a_leftover_is_left_alone(folder: Path):
    Path("precious.png").write_bytes(b"data")
    link = Path(f".impasto-{files._machine()}-0123.partial")
    link.symlink_to("precious.png")
    remove_leftovers(folder)
    assert names() == {"precious.png", link.name}


def test_writers_and_removers_at_once_lose_nothing(folder: Path, monkeypatch: Any):
    """Whoever takes a new file for a leftover, in the moment before it is locked, does no harm."""
    monkeypatch.setattr(files, "_open_nameless", lambda folder: None)
    stop = threading.Event()

    def remove() -> None:
        while not stop.is_set():
            remove_leftovers(folder)

    threads = [threading.Thread(target=remove) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i in range(150):
            write_whole(Path(f"{i}.bin"), b"whole", overwrite=False)
            with claim(Path(f"{i}.new")) as ours:
                assert ours
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert names() == {f"{i}.bin" for i in range(150)}


# --- names that calls hold -------------------------------------------------------------------


def test_a_name_is_held_by_one_call(folder: Path, killed: Callable[..., subprocess.Popen[str]]):
    other = killed()
    with claim(Path("c.bin")) as ours, claim(Path("free.bin")) as free:
        assert (ours, free) == (False, True)
        with claim(Path("free.bin")) as again:
            assert not again
    other.kill()
    other.wait()
    with claim(Path("c.bin")) as ours:
        assert ours
    assert not [name for name in names() if "claim" in name]


def test_each_name_is_had_once_at_a_time(folder: Path):
    held, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal held, most
        for _ in range(40):
            with claim(Path("one.png")) as ours:
                if ours:
                    with guard:
                        held += 1
                        most = max(most, held)
                    time.sleep(0)
                    with guard:
                        held -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and names() == set()


def test_without_locks_every_call_may_have_every_name(folder: Path, monkeypatch: Any):
    import fcntl

    def refuse(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with ExitStack() as stack:
        assert [stack.enter_context(claim(Path("a.png"))) for _ in range(2)] == [True, True]
        write_whole(Path("a.png"), b"data", overwrite=False)
    assert names() == {"a.png"}
    Path(f".impasto-{files._machine()}-0123.partial").write_bytes(b"may be written to")
    remove_leftovers(folder)
    assert len(names()) == 2


# --- signals ---------------------------------------------------------------------------------


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(folder: Path):
    def fill(path: Path, text: str, *, fail: bool = False) -> None:
        with whole_folder(path) as hidden:
            (hidden / text).write_text(text)
            with (
                pytest.raises(BlockingIOError, match="another run is writing it"),
                whole_folder(path),
            ):
                raise AssertionError
            if fail:
                raise OSError(errno.ENOSPC, "full")

    fill(Path("site"), "one")
    (folder / "link").symlink_to("site")
    for path, text in ((Path("site"), "two"), (Path("link"), "three")):
        fill(path, text)
        assert [each.name for each in (folder / "site").iterdir()] == [text]
    with pytest.raises(OSError, match="full"):
        fill(Path("site"), "four", fail=True)
    assert [each.name for each in (folder / "site").iterdir()] == ["three"]
    assert sorted(each.name for each in folder.iterdir()) == ["link", "site"]
    os.chdir("site")
    fill(Path(), "five")
    assert [each.name for each in (folder / "site").iterdir()] == ["five"]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_folder_that_a_killed_call_left_half_replaced_is_there_again(folder: Path, renames: int):
    """The call is killed when it has put the old folder aside, or before."""
    fill = f"""
import os, signal
from pathlib import Path
from impasto.images import files
rename, done = Path.rename, []
def kill(self, target):
    if len(done) == {renames}:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(rename(self, target))
Path.rename = kill
with files.whole_folder(Path("site")) as hidden:
    (hidden / "new").write_text("new")
"""
    (folder / "site").mkdir()
    (folder / "site" / "old").write_text("old")
    assert subprocess.run([sys.executable, "-c", fill], check=False).returncode == -signal.SIGKILL
    assert (folder / "site").is_dir() == (renames == 0)
    with pytest.raises(ZeroDivisionError), whole_folder(Path("site")):
        _ = 1 / 0
    assert [each.name for each in (folder / "site").iterdir()] == ["old"]
    assert [each.name for each in folder.iterdir()] == ["site"]


def test_a_signal_clears_up_even_if_it_comes_twice(folder: Path, system: str):
    with (
        pytest.raises(Stopped),
        stopping() as signals,
        whole_file(Path("a.bin"), overwrite=False) as file,
    ):
        file.write(b"half")
        try:
            signal.raise_signal(signal.SIGHUP)
        finally:
            signal.raise_signal(signal.SIGTERM)  # as a terminal and a service manager do
    assert signals.number == signal.SIGHUP and signals.line() == "stopped by SIGHUP"
    assert names() == set()


def test_an_error_that_a_signal_has_caused_is_no_failure_of_a_picture():
    def load() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Stopped as error:
            raise ImportError("initialization failed") from error

    with pytest.raises(Stopped), stopping():
        try:
            load()
        except ImportError as error:
            error_line(ImageError("a.png: cannot be read"), "a.png")
            wrapped = ImageError("a.png: cannot be read")
            wrapped.__cause__ = error
            error_line(wrapped, "a.png")
    assert interruption(ImageError("a.png: cannot be read")) is None


def test_signals_are_as_before_afterwards_and_what_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_set_no_handlers():
    failures = []

    def work() -> None:
        try:
            with stopping():
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures
