"""What is built and installed: the wheel, its metadata, its command, and what an import costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.util import find_spec
from pathlib import Path

import pytest

import impasto
from impasto.models import MODELS

ROOT = Path(__file__).parents[1]
MAX_BYTES = 16_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: pip install 'impasto[test]'")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_wheel_holds_the_models_and_the_types(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    assert "impasto/py.typed" in sizes
    shipped = {f"impasto/models/{row.file}" for row in MODELS if row.file}
    assert shipped and shipped <= set(sizes)
    assert {name for name in sizes if name.endswith(".impasto")} == shipped
    assert {name: size for name, size in sizes.items() if size > MAX_BYTES} == {}
    assert any(name.endswith("/licenses/LICENSE") for name in sizes)
    roots = {name.split("/")[0] for name in sizes}
    assert roots == {"impasto", f"impasto-{impasto.__version__}.dist-info"}


def test_wheel_holds_the_page_and_none_of_its_packages(wheel: Path):
    page = ROOT / "src/impasto/web/static"
    wanted = {
        f"impasto/web/static/{path.relative_to(page).as_posix()}"
        for path in page.rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert "impasto/web/static/page/sample.jpg" in wanted and wanted <= names
    assert not [name for name in names if "node_modules" in name or name.endswith(".wasm")]


def test_runtime_needs_no_pytorch(metadata: Message):
    assert metadata["Version"] == impasto.__version__
    needed = metadata.get_all("Requires-Dist", [])
    always = [line for line in needed if "extra ==" not in line]
    assert 0 < len(always) <= 6
    assert not [line for line in always if line.startswith(("torch", "onnx>", "openvino"))]
    (torch,) = [line.split(";")[0] for line in needed if line.startswith("torch>")]
    assert torch == "torch>=2.6", "open for users; constraints.txt is for our own commands"


def test_command_of_the_wheel(wheel: Path, tmp_path: Path):
    if find_spec("pip") is None:
        pytest.skip("this environment has no pip")
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--target", site, wheel], check=True)
    done = subprocess.run(
        [site / "bin" / "impasto", "models"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert b"onnxruntime" in done.stdout
    assert b"not in this installation: it ships" not in done.stdout


def test_import_costs_next_to_nothing():
    code = "import sys, impasto; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
    modules = set(done.stdout.decode().split())
    assert "impasto" in modules
    assert not modules & {"numpy", "PIL", "onnxruntime", "openvino", "torch", "click", "tqdm"}


def test_old_python_is_told_clearly(tmp_path: Path):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ncase "$2" in *print*) echo 3.9.2;; *) exit 1;; esac\n')
    old.chmod(0o755)
    for python, says in [(old, "is 3.9.2"), (tmp_path / "gone", "is not here")]:
        done = subprocess.run(
            ["make", f"PYTHON={python}", "demo"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "MAKEFLAGS"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode != 0
        assert "impasto needs Python 3.11 or newer" in done.stderr and says in done.stderr
