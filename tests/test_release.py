"""What makes a release: its check, the workflows that run it, and the versions in one place."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import impasto

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module ``tools/release_check.py``, which looks at a folder of its own here."""
    spec = spec_from_file_location("release_check", ROOT / "tools/release_check.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("GITHUB_REF", raising=False)
    return module


def workflow(name: str) -> dict[str, Any]:
    # A bare `on` is the truth value of YAML 1.1.
    read = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
    return {("on" if key is True else key): value for key, value in read.items()}


# --- versions ------------------------------------------------------------------------------------


def test_the_version_is_in_one_place(check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check.check_version() == impasto.__version__
    assert "version" in PROJECT["project"]["dynamic"]
    monkeypatch.setenv("GITHUB_REF", f"refs/tags/v{impasto.__version__}")
    assert check.check_version() == impasto.__version__
    monkeypatch.setenv("GITHUB_REF", "refs/tags/v9.9.9")
    with pytest.raises(check.Failure, match=r"the tag is v9\.9\.9"):
        check.check_version()


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("src/impasto/__init__.py", '__version__ = "', '__version__ = "9.', "no version of a rel"),
        ("CHANGELOG.md", "\n## 0", "\n## older than 0", "CHANGELOG.md has no section"),
        ("CITATION.cff", "\nversion: ", "\nversion: 9.", "CITATION.cff has not the version"),
    ],
)
def test_versions_that_do_not_agree_are_refused(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    file: str, old: str, new: str, says: str,
) -> None:  # fmt: skip
    for name in ("src/impasto/__init__.py", "CHANGELOG.md", "CITATION.cff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / name).read_text()
        (tmp_path / name).write_text(text.replace(old, new) if name == file else text)
    monkeypatch.setattr(check, "ROOT", tmp_path)
    with pytest.raises(check.Failure, match=says):
        check.check_version()


# --- the check -----------------------------------------------------------------------------------


def test_files_that_differ_or_are_too_large_are_refused(check: ModuleType, tmp_path: Path) -> None:
    for folder, text in (("dist", "one"), ("again", "one")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "impasto-1-py3-none-any.whl").write_text(text)
        (tmp_path / folder / "impasto-1.tar.gz").write_text(text)
    check.compare(tmp_path / "dist", tmp_path / "again", "a second build")
    (tmp_path / "again/impasto-1.tar.gz").write_text("two")
    with pytest.raises(check.Failure, match=r"a second build gives another impasto-1\.tar\.gz"):
        check.compare(tmp_path / "dist", tmp_path / "again", "a second build")
    with (tmp_path / "dist/impasto-1-py3-none-any.whl").open("wb") as file:
        file.truncate(check.WHEEL_BYTES + 1)
    with pytest.raises(check.Failure, match=r"25\.0 MB, and 25 are the most"):
        check.check_files(tmp_path)


def test_a_copy_of_the_tree_has_what_git_knows(check: ModuleType, tmp_path: Path) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    check.copy_tree(tmp_path / "copy")
    copied = {p.relative_to(tmp_path / "copy").as_posix() for p in (tmp_path / "copy").rglob("*")}
    assert {"pyproject.toml", "src/impasto/models/fast.impasto", ".gitignore"} <= copied
    assert not [name for name in copied if name.startswith((".git/", "node_modules", ".venv"))]
    assert (tmp_path / "copy/pyproject.toml").stat().st_mode & 0o777 == 0o600
    assert check.digest(tmp_path / "copy/README.md") == check.digest(ROOT / "README.md")
    assert int(check.epoch()) > 1_600_000_000


def test_licenses_of_all_that_extras_bring(check: ModuleType) -> None:
    names = {name.lower() for name in check.extra_names()}
    assert {"torch", "av", "starlette", "anyio"} <= names  # the last by way of Starlette
    assert "pytest" not in names and "hypothesis" not in names
    table = check.license_table({"numpy": ["2", "BSD-3-Clause"]}, {"av": ["18", "BSD-3-Clause"]})
    assert "| numpy | 2 | BSD-3-Clause |" in table
    assert "| av | 18 | BSD-3-Clause; its wheels contain FFmpeg with GPL encoders" in table


def test_a_failure_is_a_line_and_an_exit_code(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fails(out: Path) -> str:
        return str(check.run(sys.executable, "-c", "raise SystemExit('no luck')"))

    monkeypatch.setattr(check, "CHECKS", (("first", lambda out: "fine"), ("luck", fails)))
    monkeypatch.setattr(sys, "argv", ["release_check.py", "-o", str(tmp_path)])
    assert check.main() == 1
    said = capsys.readouterr()
    assert "first: fine" in said.out and "luck: " in said.err and "no luck" in said.err


def test_the_whole_check_is_part_of_what_a_machine_runs() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert re.search(r"^make release-check$", script, re.MULTILINE)
    make = (ROOT / "Makefile").read_text()
    assert "release-check: $(TEST_READY)\n\t.venv-test/bin/python tools/release_check.py" in make


# --- workflows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_rights_are_few(path: Path) -> None:
    text = path.read_text()
    for line in re.findall(r"uses: (.+)", text):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+(\.\d+\.\d+)?", line), line
    read = workflow(path.name)
    assert read["permissions"] == {}
    for job in read["jobs"].values():
        assert set(job["permissions"].items()) <= {("contents", "read"), ("id-token", "write")}
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            # What a stranger can name must not become a part of a script.
            assert "${{" not in step.get("run", "")
    assert "secrets." not in text


def test_a_tag_alone_publishes_and_nobody_keeps_a_password() -> None:
    release = workflow("release.yml")
    assert release["on"] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+*"]}}
    build, publish = release["jobs"]["build"], release["jobs"]["publish"]
    assert "make release-check" in [step.get("run") for step in build["steps"]]
    assert build["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"id-token": "write"} and publish["needs"] == "build"
    assert publish["environment"]["name"] == "pypi"
    assert not [step for step in publish["steps"] if "run" in step or "checkout" in step["uses"]]
    assert publish["steps"][-1]["with"] == {"attestations": True}


def test_every_change_runs_what_a_person_runs() -> None:
    jobs = workflow("ci.yml")["jobs"]
    assert ".ci/run" in [step.get("run") for step in jobs["check"]["steps"]]
    assert "make coverage" in [step.get("run") for step in jobs["coverage"]["steps"]]
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_linter_of_workflows_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("zizmor")
    if not linter.exists():
        pytest.skip("zizmor is not installed: pip install 'impasto[test]'")
    done = subprocess.run(
        [linter, "--offline", "--no-progress", ROOT / ".github/workflows"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# --- classifiers ---------------------------------------------------------------------------------


def test_classifiers_are_of_what_is_tested() -> None:
    classifiers = PROJECT["project"]["classifiers"]
    versions = {each[-4:] for each in classifiers if re.search(r":: 3\.\d+$", each)}
    tried = {*workflow("ci.yml")["jobs"]["check"]["strategy"]["matrix"]["python"]}
    assert versions and versions <= tried
    assert PROJECT["project"]["requires-python"] == f">={min(versions)}"
    systems = [each for each in classifiers if each.startswith("Operating System")]
    assert systems == ["Operating System :: POSIX :: Linux"]
    known = pytest.importorskip("trove_classifiers")
    assert {*classifiers} <= known.classifiers and len(classifiers) == len({*classifiers})
