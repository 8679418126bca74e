"""``impasto doctor``: what it tells of a sound installation, and of what is wrong in others."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import PathDistribution, distribution
from pathlib import Path
from typing import Any

import pytest

import impasto
from impasto import doctor
from impasto.doctor import packages, painting, places
from impasto.doctor.report import EngineFacts, Problem, Trial
from impasto.errors import EngineError
from impasto.models import ENGINES, MODELS, engine, find_bundle
from impasto.models.providers import Provider, mend, providers

ROOT = Path(__file__).parents[1]
SOURCE = Path(impasto.__file__).parents[1]
ORT = next(row for row in ENGINES if row.name == "onnxruntime")


def run(
    *words: str, path: Sequence[str | Path] = (), options: Sequence[str] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    """Examine in a process of its own, with ``path`` in front on Python's path."""
    before = os.environ.get("PYTHONPATH", "")
    variables = {"PYTHONPATH": os.pathsep.join([*map(str, path), str(SOURCE), before]), **more}
    return subprocess.run(
        [sys.executable, *options, "-m", "impasto", "doctor", *words],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )


def make_distribution(folder: Path, name: str, version: str, **files: str) -> Path:
    """Write the metadata of a distribution, as pip leaves it."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, text in files.items():
        (info / file).write_text(text)
    return info


# --- a sound installation ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The report of this installation, for a user with a home of its own, and that home."""
    home = tmp_path_factory.mktemp("home")
    work = home / "pictures"
    work.mkdir()
    script = (
        "import os, sys; os.chdir(sys.argv.pop(1)); from impasto.cli import main; "
        "sys.argv[0] = 'impasto'; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, work, "doctor", "--json"],
        env=os.environ | {"HOME": str(home), "IMPASTO_STYLES": str(home / "kept")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(home) not in done.stdout
    report: dict[str, Any] = json.loads(done.stdout)
    return report, home


def test_every_engine_paints_with_every_model(sound: tuple[dict[str, Any], Path]) -> None:
    report, _ = sound
    assert report["can_paint"] is True
    shipped = [row.name for row in MODELS if row.file]
    for row, facts in zip(ENGINES, report["engines"], strict=True):
        assert facts["name"] == row.name
        if not row.installed:
            assert facts["trials"] == []
            continue
        assert {trial["model"] for trial in facts["trials"]} == {*shipped}
        assert {trial["precision"] for trial in facts["trials"]} <= {*row.precisions}
        assert all(trial["paint"] > 0 and trial["load"] > 0 for trial in facts["trials"])
        assert all(trial["problem"] == "" for trial in facts["trials"])
        assert facts["devices"][0] == "CPU"
        library = distribution(row.imports)
        assert facts["providers"] == [f"{library.name} {library.version}"]


def test_models_and_their_identities(sound: tuple[dict[str, Any], Path]) -> None:
    report, _ = sound
    for row, facts in zip(MODELS, report["models"], strict=True):
        assert facts["name"] == row.name and facts["problem"] == ""
        assert facts["identity"] == (find_bundle(row.name).identity if row.file else "")


def test_versions_and_folders(sound: tuple[dict[str, Any], Path]) -> None:
    report, home = sound
    assert report["impasto"].startswith(impasto.__version__ + " in ")
    assert report["python"].startswith(".".join(map(str, sys.version_info[:3])))
    known = {each["name"]: each["version"] for each in report["packages"]}
    assert known["numpy"] == distribution("numpy").version and "torch" in known
    assert "pytest" not in known
    states = {each["use"]: (each["path"], each["state"]) for each in report["folders"]}
    assert states["your styles"] == ("~/kept", "will be created")
    assert states["results beside photographs"] == ("~/pictures", "writable")
    assert report["styles"]["gallery"] > 40 and report["styles"]["own"] == 0
    assert not (home / "kept").exists() and [*(home / "pictures").iterdir()] == []


def test_the_report_in_words(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    trial = Trial("fast", "fp32", 0.5, 0.01)
    wrong = Trial("fast", "bf16", problem="the picture is off by 90 of 255")
    facts = (
        EngineFacts("openvino"),
        EngineFacts("onnxruntime", ("ort 1",), ("CPU",), (trial, wrong)),
    )
    monkeypatch.setattr(
        painting, "examine_engines", lambda _: (facts, [Problem("it is off", "mend it")])
    )
    monkeypatch.setattr(sys, "argv", ["impasto", "doctor"])
    with pytest.raises(SystemExit) as done:
        impasto_main()
    text = capsys.readouterr().out
    assert done.value.code == 0
    assert "  openvino: not installed\n" in text
    assert "  onnxruntime: ort 1; devices: CPU\n" in text
    assert "    fast, fp32: loads in 0.50 s, paints in 0.01 s\n" in text
    assert "    fast, bf16: the picture is off by 90 of 255\n" in text
    assert "Problems\n" in text and "  it is off\n    fix: mend it\n" in text


def impasto_main() -> None:
    from impasto.cli import main

    main()


# --- what ONNX Runtime comes from ----------------------------------------------------------------


def test_any_provider_of_the_library_will_do(tmp_path: Path) -> None:
    """An environment in which onnxruntime-gpu is installed, and onnxruntime is not."""
    site = tmp_path / "site"
    site.mkdir()
    for each in (each for entry in sys.path if Path(entry).name == "site-packages"
                 for each in Path(entry).iterdir()):  # fmt: skip
        if not re.match(r"(onnxruntime|openvino)[-_.]|openvino$|_?_?editable", each.name):
            (site / each.name).symlink_to(each)
    make_distribution(site, "onnxruntime-gpu", "1.30.0", RECORD="onnxruntime/__init__.py,,\n")
    done = run("--json", path=[SOURCE, site], options=["-S"])
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    engines = {each["name"]: each for each in report["engines"]}
    assert engines["onnxruntime"]["providers"] == ["onnxruntime-gpu 1.30.0"]
    assert engines["openvino"]["trials"] == []
    problems = [each["problem"] for each in engines["onnxruntime"]["trials"]]
    assert problems and not any(problems)
    assert not [each for each in report["problems"] if "onnxruntime" in str(each)]
    (needed,) = [each for each in report["packages"] if each["name"] == "onnxruntime"]
    assert needed["version"] == "1.30.0"


@pytest.mark.parametrize(
    "name", ["onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"]
)
def test_two_providers_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    make_distribution(tmp_path, name, "1.30.0", RECORD="onnxruntime/__init__.py,sha256=x,1\r\n")
    make_distribution(tmp_path, "lookalike", "1.0", RECORD="onnxruntime/other.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = providers("onnxruntime")
    assert [each.name for each in found] == ["onnxruntime", name]
    _, problems = packages.examine_packages()
    (problem,) = [each for each in problems if "the module onnxruntime" in each.what]
    assert f"{name} 1.30.0" in problem.what
    assert f"pip uninstall onnxruntime {name}," in problem.mend


def test_mend_of_an_engine_names_its_provider() -> None:
    one, two = Provider("onnxruntime-gpu", "1"), Provider("onnxruntime", "1")
    assert mend(ORT, [one]) == "pip install --force-reinstall onnxruntime-gpu"
    assert mend(ORT, []) == "pip install --force-reinstall onnxruntime"
    assert "overwrite each other" in mend(ORT, [one, two])


def test_a_library_that_is_half_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two packages have written over each other: the error names both, and the mend."""
    for name in ("onnxruntime", "onnxruntime-gpu"):
        make_distribution(tmp_path, name, "1.30.0", RECORD="halfway/__init__.py,,\n")
    (tmp_path / "halfway").mkdir()
    (tmp_path / "halfway/__init__.py").write_text("def supported():\n    import halfway.gone\n")
    monkeypatch.syspath_prepend(tmp_path)
    from dataclasses import replace

    rows = (replace(ORT, imports="halfway", module="halfway"),)
    monkeypatch.setattr(engine, "ENGINES", rows)
    with pytest.raises(EngineError, match=r"pip uninstall onnxruntime onnxruntime-gpu, then"):
        engine.open_engine(find_bundle("fast"))


# --- what is broken ------------------------------------------------------------------------------


def test_engines_that_crash_or_do_not_start(tmp_path: Path) -> None:
    for name, code in (
        ("onnxruntime", "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"),
        ("openvino", f"raise ImportError('no libtbb in {Path.home()}/lib')\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code)
    done = run(path=[tmp_path])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "engine 'onnxruntime' crashed (SIGILL)" in done.stdout
    assert "engine 'openvino' does not start: ImportError: no libtbb in ~/lib" in done.stdout
    assert "nothing can be painted: no engine paints" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_an_engine_that_paints_nonsense(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import impasto.models.engine as e, numpy as np\n"
        "e.GraphEngine.decode = lambda self, features, affines: np.full(\n"
        "    (3, features[-1].shape[1] * 8, features[-1].shape[2] * 8), np.nan, np.float32)\n"
    )
    script = "import sys; from impasto.doctor.trial import main; main('onnxruntime', ['fast'])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(SOURCE)])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[0]["devices"][0] == "CPU", done.stderr
    assert told[1]["model"] == "fast" and "problem" in told[1]
    assert told[1]["problem"], told


def test_a_damaged_bundle(tmp_path: Path) -> None:
    """A copy of the package in which a model is cut short."""
    copy = tmp_path / "impasto"
    shutil.copytree(SOURCE / "impasto", copy, copy_function=os.link)
    whole = (copy / "models/fast.impasto").read_bytes()
    (copy / "models/fast.impasto").unlink()
    (copy / "models/fast.impasto").write_bytes(whole[: len(whole) // 2])
    code = (
        "from impasto.doctor.places import examine_models\n"
        "models, problems = examine_models()\n"
        "print([each.name for each in models if each.problem], problems[0].mend)\n"
        "print(models[1].identity, len(problems), problems[0].what)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    first, second = done.stdout.splitlines()
    assert first == "['fast'] pip install --force-reinstall --no-deps impasto"
    assert second.startswith(f"{find_bundle('quality').identity} 1 model 'fast': ")


def test_files_that_are_not_as_they_were_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    for name in ("whole.py", "changed.py", "gone.py"):
        file = tmp_path / "impasto" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"# {name}\n")
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest())
        rows.append(f"impasto/{name},sha256={digest.rstrip(b'=').decode()},{file.stat().st_size}")
    info = make_distribution(tmp_path, "impasto", "9", RECORD="\n".join([*rows, "bin/x,,"]))
    monkeypatch.setattr(places, "distribution", lambda _: PathDistribution(info))
    assert places.changed_files() == []
    (tmp_path / "impasto/changed.py").write_text("# something else\n")
    (tmp_path / "impasto/gone.py").unlink()
    (problem,) = places.changed_files()
    assert "2 files changed since installation: impasto/changed.py, impasto/gone.py" in problem.what


def test_styles_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = tmp_path / "kept" / find_bundle("fast").identity
    shelf.mkdir(parents=True)
    (shelf / "broken.safetensors").write_bytes(b"no style")
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    facts, (problem,) = places.examine_styles()
    assert facts.own == 0 and facts.gallery > 40
    assert problem.what.startswith("style 'broken' cannot be used: ")
    assert problem.mend == "impasto style remove broken, and add it again"


def test_folders_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "file" / "styles"))
    monkeypatch.setattr(places, "_temporary", lambda: tmp_path / "new" / "tmp")
    folders, (problem,) = places.examine_folders()
    assert [each.state for each in folders] == ["writable", "will be created", "not writable"]
    assert "for your styles, cannot be written" in problem.what and "IMPASTO_STYLES" in problem.mend


def test_code_that_is_not_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "version", lambda _: "0.0.1")
    (problem,) = packages.shadowed()
    assert impasto.__version__ in problem.what and "0.0.1 is installed" in problem.what


# --- requirements --------------------------------------------------------------------------------


def test_every_requirement_is_understood() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra, more in project["optional-dependencies"].items():
        lines += [f'{line}; extra == "{extra}"' for line in more]
    for line in lines:
        match = packages._REQUIREMENT.fullmatch(line)
        assert match is not None, line
        bounds = [each for each in match[2].split(",") if each.strip()]
        assert len(packages._BOUND.findall(match[2])) == len(bounds), line
        assert (match[3] is not None) == ("extra" in line)


@pytest.mark.parametrize(
    ("found", "wanted", "yes"),
    [
        ("2.0", ">=2", True),
        ("2", ">=2.0.0", True),
        ("1.26.4", ">=2.0", False),
        ("17.0.1", ">=17,<20", True),
        ("20.0", ">=17,<20", False),
        ("16.9", ">=17,<20", False),
        ("2.13.0+cpu", ">=2.6", True),
        ("anything", "", True),
    ],
)
def test_bounds_of_versions(found: str, wanted: str, yes: bool) -> None:
    assert packages.fits(found, wanted) is yes


# --- facts of other packages ---------------------------------------------------------------------


def test_other_packages_add_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "facts_of_two.py").write_text(
        "from impasto.doctor import Facts, Problem\n"
        "def good():\n    return Facts(('seven brushes',), (Problem('one is dry', 'wash it'),))\n"
        "def bad():\n    raise ZeroDivisionError('no brushes')\n"
    )
    (tmp_path / "of_an_extra.py").write_text(
        "from impasto.errors import ImpastoError\n"
        "raise ImpastoError('needs oil; pip install oil')\n"
    )
    points = (
        "[impasto.doctor]\nbrushes = facts_of_two:good\ncanvas = facts_of_two:bad\n"
        "easel = no_such_module:facts\npalette = of_an_extra:facts\n"
    )
    make_distribution(tmp_path, "studio", "1", **{"entry_points.txt": points})
    monkeypatch.syspath_prepend(tmp_path)
    lines, problems = doctor._of_others()
    assert lines["brushes"] == ("seven brushes",)
    assert lines["easel"] == ("not in use: no_such_module is not installed",)
    assert lines["palette"] == ("not in use: needs oil; pip install oil",)
    assert Problem("one is dry", "wash it") in problems
    assert not any("palette" in each.what for each in problems)
    assert [each.what for each in problems if "canvas" in each.what] == [
        "canvas cannot be checked (no brushes)"
    ]


def test_facts_of_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from impasto.lab.optimize.facts import facts

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("IMPASTO_VGG", raising=False)
    told = facts()
    assert told.problems == () and told.lines[0].startswith(f"PyTorch {torch.__version__}")
    assert told.lines[1].startswith("devices: cpu") and "VGG-19: not found" in told.lines[2]
    assert told.lines[3] == "cache: ~/cache/impasto (will be created)"
    monkeypatch.setenv("IMPASTO_VGG", str(tmp_path / "gone.pth"))
    (problem,) = facts().problems
    assert "~/gone.pth" in problem.what and "IMPASTO_VGG" in problem.mend
    plugged = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert plugged[doctor.GROUP] == {"lab": "impasto.lab.optimize.facts:facts [lab]"}
