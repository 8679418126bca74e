"""Performs the steps of the Dockerfile without a container engine, and tries what they have made.

    python tools/rehearse.py [--extras web,video] [--keep]

Every image is a folder in an empty one, and the paths of the Dockerfile lie in it. In place of the
base image there is an environment of this Python with pip; all steps are done by a user without
rights, whose HOME cannot be written. What is not rehearsed is the engine itself: its file system,
network and limits, and the version of Python of the base image.

Then, with the image read-only: ``impasto stylize`` paints, ``impasto serve`` answers, the health
check tells whether it does, and SIGTERM ends it. Prints one line a step; exit status 1 if one
fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clean import ROOT, Failure, environment
from dockerfile import DockerfileError, Stage, Step, context_files, read_stages, substituted

PHOTO = ROOT / "examples" / "photos" / "rocket.jpg"

# Folders of every image that steps may use.
STANDARD = ("/opt", "/srv", "/tmp")


@dataclass
class Machine:
    """Where the steps are performed.

    Attributes:
        root: the empty folder.
        user: who performs them, as numbers; None: whoever we are.
        env: of every command.
    """

    root: Path
    user: int | None
    env: dict[str, str]

    @property
    def image(self) -> Path:
        """The root of the image that is being made."""
        return self.root / "image"

    def inside(self, path: str) -> Path:
        """A path of the image as one of this machine."""
        return self.image / path.lstrip("/")

    def who(self) -> dict[str, Any]:
        """Arguments of ``subprocess`` for the user."""
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def call(self, command: list[str], cwd: Path, env: dict[str, str], **options: Any) -> str:
        """Run a command to its end, and return what it has printed.

        Raises:
            Failure: if its exit status is not 0.
        """
        done = subprocess.run(
            command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=900, **self.who(), **options,
        )  # fmt: skip
        if done.returncode:
            raise Failure(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
        return done.stdout

    def own(self, path: Path) -> None:
        """Give a folder and all in it to the user."""
        if self.user is not None:
            for each in (path, *path.rglob("*")):
                os.chown(each, self.user, self.user, follow_symlinks=False)


@dataclass
class Built:
    """What the steps of a stage have set for those after them.

    Attributes:
        env: variables, with the paths of the image as they are in the Dockerfile.
        workdir: the same.
        paths: of the image that steps may name: folders of any image, and those that were made.
        user: the last USER.
    """

    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    paths: set[str] = field(default_factory=lambda: set(STANDARD))
    user: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Rehearse, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--extras", help="in place of the Dockerfile's: with commas between")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    options = parser.parse_args(arguments)
    given = {} if options.extras is None else {"EXTRAS": options.extras}
    try:
        with machine(keep=options.keep) as where:
            rehearse(where, given)
    except (Failure, DockerfileError) as failure:
        print(f"failed: {failure}", file=sys.stderr)
        return 1
    print("the container is well")
    return 0


def rehearse(where: Machine, given: dict[str, str]) -> None:
    """Build all stages, and try the last one."""
    stages = read_stages((ROOT / "Dockerfile").read_text())
    context = copied_context(where)
    built = Built()
    for number, stage in enumerate(stages):
        print(f"FROM {stage.image} (in its place: {sys.version.split()[0]})", flush=True)
        for each in STANDARD:
            made(where, where.inside(each))
        built = build(where, stage, context, given)
        if number < len(stages) - 1:
            where.image.rename(where.root / stage.name)
    run = stages[-1]
    if built.user.split(":")[0] in ("", "0", "root"):
        raise Failure("the container would run as root: add USER")
    size = sum(each.lstat().st_size for each in where.image.rglob("*") if each.is_file())
    print(f"the image is {size / 1e6:.0f} MB on top of its base")
    for folder in (where.image, *(each for each in where.image.rglob("*") if each.is_dir())):
        if not folder.is_symlink():
            folder.chmod(0o555)
    before = listing(where.image)
    Trial(where, run, built).all()
    if listing(where.image) != before:
        raise Failure("something was written into the image")


def build(where: Machine, stage: Stage, context: Path, given: dict[str, str]) -> Built:
    """Perform the steps of a stage."""
    built, arguments = Built(env={"PATH": where.env["PATH"]}), dict[str, str]()
    for step in stage.steps:
        if step.name in ("RUN", "COPY"):
            print(f"{step.name} {step.text}", flush=True)
        if step.name == "ARG":
            name, _, default = step.text.partition("=")
            arguments[name] = given.get(name, default)
        elif step.name == "ENV":
            for word in step.words:
                name, _, value = word.partition("=")
                built.env[name] = substituted(value, built.env)
        elif step.name == "WORKDIR":
            built.workdir = step.text
            built.paths.add(step.text)
            made(where, where.inside(step.text))
        elif step.name == "USER":
            built.user = step.text
        elif step.name == "COPY":
            copy(where, step, context, built)
        elif step.name == "RUN":
            env = {**where.env, **arguments, **moved_env(where, built)}
            where.call(
                ["/bin/sh", "-c", moved(where, step.text, built.paths)],
                where.inside(built.workdir), env,
            )  # fmt: skip
    return built


def copy(where: Machine, step: Step, context: Path, built: Built) -> None:
    """Perform COPY, from the folder of the build or from another stage."""
    words, source = step.words, context
    if words[0].startswith("--from="):
        source = where.root / words.pop(0).removeprefix("--from=")
    *names, target = words
    place = where.inside(target if target.startswith("/") else f"{built.workdir}/{target}")
    for name in names:
        found = source / name.lstrip("/")
        if not found.exists():
            raise Failure(f"COPY {step.text}: {name} is not there; is it in .dockerignore?")
        if found.is_dir():
            made(where, place.parent)
            shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
        else:
            into = place / found.name if target.endswith("/") else place
            made(where, into.parent)
            shutil.copy2(found, into)
    where.own(place)


class Trial:
    """Tries the image that was made, as `docker run --read-only` would."""

    def __init__(self, where: Machine, stage: Stage, built: Built) -> None:
        self._where = where
        self._entry = _words(stage, "ENTRYPOINT")
        self._default = _words(stage, "CMD")
        health = stage.last("HEALTHCHECK")
        if health is None or not self._entry:
            raise Failure("the Dockerfile needs an ENTRYPOINT and a HEALTHCHECK")
        words = json.loads(health.text.partition("CMD ")[2])
        self._health = [moved(where, word, built.paths) for word in words]
        # A folder of the user's takes the place of the one in the image, as with docker run -v.
        self._work = where.root / "work"
        self._work.mkdir()
        shutil.copy(PHOTO, self._work / "photo.jpg")
        where.own(self._work)
        home = made(where, where.root / "home")
        home.chmod(0o555)
        self._env = {**where.env, **moved_env(where, built), "HOME": str(home)}

    def all(self) -> None:
        """Try everything, one line each."""
        checks: tuple[tuple[str, Callable[[], None]], ...] = (
            ("prints its help", self.helps),
            ("is healthy while no server runs", self.healthy_idle),
            ("paints a photograph", self.paints),
            ("serves, and its health is told", self.serves),
        )
        for what, check in checks:
            start = time.monotonic()
            check()
            print(f"ok: {what} ({time.monotonic() - start:.1f} s)", flush=True)

    def helps(self) -> None:
        printed = self._run(*self._entry, *self._default)
        if "stylize" not in printed or "serve" not in printed:
            raise Failure(f"the help is not that of impasto:\n{printed}")

    def healthy_idle(self) -> None:
        self._run(*self._health)

    def paints(self) -> None:
        self._run(*self._entry, "stylize", "photo.jpg", "-s", "munch-scream", "-o", "out.png",
                  "--model", "fast", "--size", "128")  # fmt: skip
        head = (self._work / "out.png").read_bytes()[:24]
        width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        if not head.startswith(b"\x89PNG") or (height, width) != (128, 192):
            raise Failure(f"out.png is no picture of 192 x 128 pixels, but {width} x {height}")

    def serves(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        command = [*self._entry, "serve", "--host", "0.0.0.0", "--port", str(port), "--model",
                   "fast", "--token", "open-sesame"]  # fmt: skip
        server = subprocess.Popen(
            command, cwd=self._work, env=self._env, executable=self._found(command[0]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._where.who(),
        )  # fmt: skip
        try:
            self._wait(server, port)
            self._run(*self._health)
            picture = post(port, (self._work / "photo.jpg").read_bytes())
            if not picture.startswith(b"\x89PNG"):
                raise Failure("the server's answer is no PNG")
            server.send_signal(signal.SIGSTOP)  # it hangs
            try:
                self._run(*self._health)
            except Failure:
                pass
            else:
                raise Failure("a server that hangs is called healthy")
            finally:
                server.send_signal(signal.SIGCONT)
            self._run(*self._health)
            server.terminate()  # as docker stop does
            server.wait(10)
        except subprocess.TimeoutExpired:
            raise Failure("SIGTERM has not ended the server within 10 s") from None
        finally:
            server.kill()
            server.wait()
        self._run(*self._health)

    def _wait(self, server: subprocess.Popen[bytes], port: int) -> None:
        for _ in range(600):
            if server.poll() is not None:
                raise Failure(f"the server has ended, with exit status {server.returncode}")
            try:
                asked(port, "/api/health")
                return
            except OSError:
                time.sleep(0.1)
        raise Failure("the server does not answer after 60 s")

    def _found(self, command: str) -> str:
        found = shutil.which(command, path=self._env["PATH"])
        if found is None:
            raise Failure(f"{command} is not in PATH of the image")
        return found

    def _run(self, *command: str) -> str:
        return self._where.call([self._found(command[0]), *command[1:]], self._work, self._env)


def asked(port: int, path: str, data: bytes | None = None, kind: str = "") -> bytes:
    """Ask the server, by the name that a browser would use, and return its answer."""
    request = urllib.request.Request(f"http://localhost:{port}{path}", data)
    request.add_header("Authorization", "Bearer open-sesame")
    if kind:
        request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def post(port: int, photo: bytes) -> bytes:
    """Have a photograph painted."""
    mark = uuid.uuid4().hex
    fields = {"style": "munch-scream", "size": "64", "format": "png"}
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="content"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = b"".join((*parts, head.encode(), photo, f"\r\n--{mark}--\r\n".encode()))
    try:
        return asked(port, "/api/stylize", body, f"multipart/form-data; boundary={mark}")
    except urllib.error.HTTPError as error:
        raise Failure(f"the server answers {error.code}: {error.read().decode()}") from None


@contextmanager
def machine(*, keep: bool = False) -> Iterator[Machine]:
    """Make the empty folder, the user and the environment that stands for the base image."""
    folder = Path(tempfile.mkdtemp(prefix="impasto-container-"))
    folder.chmod(0o755)
    stage = read_stages((ROOT / "Dockerfile").read_text())[-1].last("USER")
    user = int(stage.text.split(":")[0]) if stage and os.geteuid() == 0 else None
    env = environment(folder / "home")
    where = Machine(folder, user, env)
    try:
        where.own(folder)
        base = folder / "base"
        python = reachable(where)
        where.call([python, "-m", "venv", "--without-pip", str(base)], folder, env)
        # Some systems have no ensurepip; then our own pip sets up the one inside.
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(base / "bin" / "python"), "install",
             "--quiet", "--disable-pip-version-check", "pip"],
            check=True,
        )  # fmt: skip
        where.own(base)
        env["PATH"] = f"{base / 'bin'}:{env['PATH']}"
        yield where
    finally:
        if keep:
            print(f"kept: {folder}")
        else:
            for each in folder.rglob("*"):
                if each.is_dir() and not each.is_symlink():
                    each.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)


def reachable(where: Machine) -> str:
    """Return a Python that the user can start: our own, or that of the system."""
    for python in (os.path.realpath(sys.executable), "/usr/local/bin/python3", "/usr/bin/python3"):
        try:
            where.call([python, "-c", "import sys; assert sys.version_info >= (3, 11)"],
                       where.root, where.env)  # fmt: skip
        except (Failure, OSError):
            continue
        return python
    raise Failure("no Python 3.11 or newer can be started by a user without rights")


def copied_context(where: Machine) -> Path:
    """Copy what .dockerignore lets through, which is all that the steps can see of this folder."""
    context = where.root / "context"
    for path in context_files(ROOT, (ROOT / ".dockerignore").read_text()):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, context / path)
    return context


def made(where: Machine, folder: Path) -> Path:
    """Make a folder and those around it, for the user."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        if where.user is not None:
            os.chown(each, where.user, where.user)
    return folder


def moved(where: Machine, text: str, paths: set[str]) -> str:
    """Put the paths of the image into its folder on this machine."""

    def one(found: re.Match[str]) -> str:
        path = found[0]
        ours = any(path == each or path.startswith(f"{each}/") for each in paths)
        return str(where.inside(path)) if ours and not path.startswith(str(where.root)) else path

    return re.sub(r"(?<![\w.}])/[\w./+-]*", one, text)


def moved_env(where: Machine, built: Built) -> dict[str, str]:
    """The variables of a stage, with their paths moved likewise."""
    return {name: moved(where, value, built.paths) for name, value in built.env.items()}


def listing(folder: Path) -> list[tuple[str, int, int]]:
    """All files of a folder, with their sizes and times."""
    facts = [(str(each), each.lstat()) for each in sorted(folder.rglob("*"))]
    return [(name, fact.st_size, fact.st_mtime_ns) for name, fact in facts]


def _words(stage: Stage, name: str) -> list[str]:
    step = stage.last(name)
    return [] if step is None else step.words


if __name__ == "__main__":
    sys.exit(main())
