"""The Dockerfile: what it says, what it is given, its health check; and its steps, rehearsed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType

import pytest

import dockerfile
import rehearse
from impasto.web import HOST, PORT

ROOT = Path(__file__).parents[1]


def script(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


health = script("containers/health.py")


def test_the_image_is_small_pinned_and_not_of_root() -> None:
    build, run = dockerfile.read_stages((ROOT / "Dockerfile").read_text())
    for stage in (build, run):
        name, _, tag = stage.image.partition(":")
        assert name == "python" and tag.endswith("-slim-bookworm") and tag[0].isdigit()
    assert run.last("USER").text == "1000:1000"
    assert run.last("ENTRYPOINT").words == ["impasto"]
    assert run.last("RUN") is None  # no tool of the build is in it
    (copied,) = [step for step in run.steps if step.name == "COPY"]
    assert copied.words[0] == "--from=build"
    assert "HOME=/tmp" in run.last("ENV").words
    assert run.last("EXPOSE").text == str(PORT)


def test_a_dockerfile_is_read_as_docker_reads_it() -> None:
    first = "# a comment\nFROM a:1 AS one\nRUN x \\\n    # within\n    && y\n"
    text = first + 'FROM b:2\nCMD ["c", "d e"]\n'
    one, two = dockerfile.read_stages(text)
    assert (one.image, one.name, two.image, two.name) == ("a:1", "one", "b:2", "1")
    assert one.steps == [dockerfile.Step("RUN", "x && y")]
    assert two.last("CMD").words == ["c", "d e"]
    for bad in ("RUN before", "FROM a:1\nADD x y", "FROM a:1 AS"):
        with pytest.raises(dockerfile.DockerfileError):
            dockerfile.read_stages(bad)


def test_the_build_is_given_what_it_copies_and_nothing_else(tmp_path: Path) -> None:
    ignore = (ROOT / ".dockerignore").read_text()
    files = dockerfile.context_files(ROOT, ignore)
    tops = {path.parts[0] for path in files}
    assert tops == {
        "LICENSE", "README.md", "constraints.txt", "containers", "pyproject.toml", "src",
    }  # fmt: skip
    assert [path for path in files if path.parts[0] == "containers"] == [
        Path("containers/health.py")
    ]
    assert Path("src/impasto/models/fast.impasto") in files
    assert not [path for path in files if "__pycache__" in path.parts or path.suffix == ".pyc"]
    stages = dockerfile.read_stages((ROOT / "Dockerfile").read_text())
    for step in (step for stage in stages for step in stage.steps if step.name == "COPY"):
        if not step.words[0].startswith("--from="):
            for name in step.words[:-1]:
                assert Path(name) in files or any(Path(name) in path.parents for path in files)

    for name in ("keep/a.txt", "keep/deep/b.pyc", "drop/c.txt", "d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = dockerfile.context_files(tmp_path, "*\n# all but\n!keep\n**/*.pyc\n")
    assert found == [Path("keep/a.txt")]
    assert dockerfile.context_files(tmp_path, "keep\n!keep/deep\n") == [
        Path("d.txt"), Path("drop/c.txt"), Path("keep/deep/b.pyc"),
    ]  # fmt: skip


def process(proc: Path, number: int, *words: str) -> None:
    folder = proc / str(number)
    folder.mkdir()
    (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")


def test_health_finds_the_server_among_the_processes(tmp_path: Path) -> None:
    command = "/opt/impasto/bin/impasto"
    python = "/opt/impasto/bin/python"
    assert health.served(tmp_path, command) is None
    process(tmp_path, 1, "/sbin/tini", "--", "impasto", "serve")
    process(tmp_path, 7, python, command, "stylize", "serve", "-s", "wave")
    (tmp_path / "8").mkdir()  # has ended
    assert health.served(tmp_path, command) is None
    process(tmp_path, 9, python, command, "serve", "--host", "0.0.0.0", "--port=9000")
    assert health.served(tmp_path, command) == (HOST, 9000)
    shutil.rmtree(tmp_path / "9")
    process(tmp_path, 10, python, command, "serve", "--port", "81", "--host=10.0.0.2")
    assert health.served(tmp_path, command) == ("10.0.0.2", 81)
    shutil.rmtree(tmp_path / "10")
    process(tmp_path, 11, python, command, "serve")
    assert health.served(tmp_path, command) == (HOST, PORT)


@pytest.fixture
def answering() -> Iterator[tuple[HTTPServer, list[int]]]:
    statuses = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/api/health"
            self.send_response(statuses[0])
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep still."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, statuses
    server.shutdown()
    server.server_close()


def test_health_is_an_answer_of_any_kind(
    answering: tuple[HTTPServer, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, statuses = answering
    port = server.server_address[1]
    assert health.answers("127.0.0.1", port)
    statuses[0] = 401  # it wants its token
    assert health.answers("127.0.0.1", port)
    statuses[0] = 500
    assert not health.answers("127.0.0.1", port)
    server.shutdown()  # it takes connections and hangs
    monkeypatch.setattr(health, "SECONDS", 0.2)
    assert not health.answers("127.0.0.1", port)
    server.server_close()
    assert not health.answers("127.0.0.1", port)
    assert health.main() == 0  # no server of this environment runs


def test_paths_of_the_image_are_moved_into_the_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = rehearse.Machine(tmp_path, None, {})
    paths = {"/opt", "/tmp", "/build"}
    image = tmp_path / "image"
    for text, expected in (
        ("/opt/x/bin:/usr/bin:/bin", f"{image}/opt/x/bin:/usr/bin:/bin"),
        (f"{tmp_path}/base/bin:/tmp", f"{tmp_path}/base/bin:{image}/tmp"),
        ("/optional dist/opt ./opt", "/optional dist/opt ./opt"),
        ('pip "/build/a.whl${X:+[$X]}"', f'pip "{image}/build/a.whl${{X:+[$X]}}"'),
    ):
        assert rehearse.moved(where, text, paths) == expected
    step = dockerfile.Step("COPY", "gone.txt ./")
    with pytest.raises(rehearse.Failure, match="is not there"):
        rehearse.copy(where, step, tmp_path, rehearse.Built())
    with pytest.raises(rehearse.Failure, match="exit status 3\nwords"):
        where.call(["/bin/sh", "-c", "echo words; exit 3"], tmp_path, {})


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(["hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.long
def test_the_steps_make_a_container_that_works() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "rehearse.py"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "the container is well"
