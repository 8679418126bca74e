"""Recipes of CONTRIBUTING.md, performed to the letter on a copy of the sources, and other files."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import make_tiny
from PIL import Image

import impasto
from impasto.models import write_bundle

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Recipe:
    """A recipe of the page, and a folder with a copy of the sources in which it is followed."""

    def __init__(self, heading: str, folder: Path) -> None:
        text = PAGE.split(f"\n### {heading}\n")[1].split("\n### ")[0]
        self.blocks = _BLOCK.findall(text)
        self.folder = folder
        self.changed: list[Path] = []
        source = Path(impasto.__file__).parent
        shutil.copytree(
            source,
            folder / "src/impasto",
            copy_function=os.link,
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def cook(self, **more: str) -> None:
        """Write the files, change those that are there, then run the commands."""
        for language, text in self.blocks:
            if language == "diff":
                self._patch(text)
            elif language in ("python", "toml"):
                name, _, body = text.removeprefix("# ").partition("\n")
                self._write(self.folder / name, body)
        for language, text in self.blocks:
            for command in text.splitlines() if language == "sh" else ():
                self.run(command, **more)

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # it may be a link to the file of this checkout
        path.write_text(text)
        self.changed.append(path)

    def _patch(self, text: str) -> None:
        """Make the changes of a diff, each at the one place where its other lines are."""
        header, _, rest = text.partition("\n")
        path = self.folder / header.removeprefix("--- ")
        body = path.read_text()
        for part in rest.split("...\n"):
            lines = part.splitlines()
            assert all(line[:1] in (" ", "+", "-", "") for line in lines), part
            before, after = (
                "".join(f"{line[1:]}\n" for line in lines if line[:1] != sign) for sign in "+-"
            )
            assert before != after
            assert body.count(before) == 1, f"{path.name} has {body.count(before)} times:\n{before}"
            body = body.replace(before, after)
        self._write(path, body)

    def run(self, command: str, **more: str) -> str:
        """Run a command of the page with the copy of the sources."""
        program, *words = command.split()
        assert program == "impasto"
        path = [str(self.folder / "src"), more.pop("path", "")]
        done = subprocess.run(
            [sys.executable, "-m", "impasto", *words],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path)), **more},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def pixels(self, name: str) -> np.ndarray:
        with Image.open(self.folder / name) as image:
            return np.asarray(image.convert("RGB"), dtype=np.float64)

    def check_style(self) -> None:
        """The code of the page is as that of the project."""
        for tool in (["check", "--quiet"], ["format", "--check", "--quiet"]):
            subprocess.run(
                [sys.executable, "-m", "ruff", *tool, "--config", ROOT / "pyproject.toml",
                 *(path for path in self.changed if path.suffix == ".py")],
                check=True, cwd=ROOT,
            )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a photograph, a style and a small model."""
    y, x = np.mgrid[:48, :64] / 64
    photo = np.stack([x, y, 0.5 + 0.4 * np.sin(9 * x * y)], axis=-1)
    style = np.random.default_rng(0).random((40, 40, 3)) ** 2
    for name, image in (("photo", photo), ("style", style)):
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    write_bundle(make_tiny(), tmp_path / "tiny.impasto")
    return tmp_path


def test_a_control(folder: Path) -> None:
    recipe = Recipe("A control", folder)
    recipe.cook()
    recipe.check_style()
    soft, hard = (recipe.pixels(f"{name}.png").std() for name in ("soft", "hard"))
    recipe.run("impasto stylize photo.png style.png -o plain.png")
    assert soft < recipe.pixels("plain.png").std() < hard
    assert "--contrast C" in recipe.run("impasto stylize --help")
    with pytest.raises(AssertionError, match="contrast must be a number from 0 to 4, not 9"):
        recipe.run("impasto stylize photo.png style.png -o wrong.png --contrast 9")


def test_an_engine(folder: Path) -> None:
    recipe = Recipe("An engine", folder)
    recipe.cook()
    recipe.check_style()
    recipe.run(
        "impasto stylize photo.png style.png -o quick.png --model tiny.impasto --engine onnxruntime"
    )
    slow, quick = recipe.pixels("slow.png"), recipe.pixels("quick.png")
    assert slow.std() > 5 and np.abs(slow - quick).max() <= 1
    assert "reference" in recipe.run("impasto models")


def test_a_method(folder: Path) -> None:
    if shutil.which("pip") is None and not (Path(sys.executable).parent / "pip").exists():
        pytest.skip("this environment has no pip")
    recipe = Recipe("A method", folder)
    commands = [text for language, text in recipe.blocks if language == "sh"]
    recipe.blocks = [block for block in recipe.blocks if block[0] != "sh"]
    recipe.cook()
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet",
         "--no-index", "--no-deps", "--no-build-isolation", "--target", folder / "site",
         folder / "poster"],
        check=True,
    )  # fmt: skip
    (command,) = commands
    recipe.run(command, path=str(folder / "site"))
    painted = np.unique(recipe.pixels("poster.png").reshape(-1, 3), axis=0)
    style = np.unique(recipe.pixels("style.png").reshape(-1, 3), axis=0)
    assert 1 < len(painted) <= 8
    assert {tuple(color) for color in painted} <= {tuple(color) for color in style}


def test_a_loss(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    from lab_parts import vgg_weights, write_pictures

    torch.save(vgg_weights(), folder / "vgg.pth")
    write_pictures(folder / "photos", 6)
    write_pictures(folder / "paintings", 6, seed=1)
    recipe = Recipe("A loss", folder)
    recipe.cook()
    with (folder / "run/log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows and all(float(row["lightness"]) > 0 for row in rows)
    config = tomllib.loads((folder / "small.toml").read_text())
    for row in rows:
        # The loss is the sum of its terms, each times its weight: 1, 10, 10 and 3.
        weights = {"content": 1, "style": 10, "identity": 10, **config["loss"]}
        total = sum(float(row[name]) * weight for name, weight in weights.items())
        assert float(row["loss"]) == pytest.approx(total, rel=1e-3)


# --- the other files of a project ----------------------------------------------------------------


def test_links_of_the_root_lead_somewhere() -> None:
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"):
        text = (ROOT / name).read_text()
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert (ROOT / link).exists(), f"{name}: {link}"
        assert not re.search(r"https?://|@\w+\.\w+", text), f"{name} names an address"
        for target in re.findall(r"`make ([a-z-]+)`", text):
            assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert str(citation["version"]) == impasto.__version__
    assert citation["cff-version"] == "1.2.0" and citation["license"] == project["license"]
    assert citation["authors"] == project["authors"] == [{"name": "Impasto contributors"}]


def test_templates_of_issues_ask_for_the_doctor() -> None:
    folder = ROOT / ".github/ISSUE_TEMPLATE"
    for name, needed in (("bug.yml", True), ("wish.yml", False)):
        template = yaml.safe_load((folder / name).read_text())
        assert {"name", "description", "body"} <= template.keys()
        fields = {each["id"]: each for each in template["body"]}
        assert "`impasto doctor`" in fields["doctor"]["attributes"]["label"]
        assert fields["doctor"].get("validations", {}).get("required", False) is needed


def test_hooks_before_a_commit_are_those_of_make_check() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert {repository["repo"] for repository in hooks} == {"local"}
    entries = {each["entry"] for repository in hooks for each in repository["hooks"]}
    make = (ROOT / "Makefile").read_text()
    for tool in ("-m mypy", "lint-imports", "ruff check"):
        assert tool in make and any(tool in entry for entry in entries), tool
