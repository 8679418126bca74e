"""The script that follows the README: what it reads there, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clean
import readme_check
from readme_check import Recipe, Step

ROOT = Path(__file__).parents[1]

PAGE = """\
# Title

```sh
make all
```

## Get started

Words, and `code`.

```python
import impasto
```

```sh
# a line by itself
python3 -m venv .venv        # a place
pip install impasto \\
    --quiet
impasto stylize me.jpg -s "a b"     # writes me-a.png beside it
```

### Below it

```sh
rm everything
```

## Get started later
"""


def test_the_commands_are_those_of_the_section() -> None:
    recipe = readme_check.read_recipe(PAGE)
    assert [command.split() for command in recipe.commands] == [
        ["python3", "-m", "venv", ".venv"],
        ["pip", "install", "impasto", "--quiet"],
        ["impasto", "stylize", "me.jpg", "-s", '"a', 'b"'],
    ]
    assert (recipe.photograph, recipe.painting) == ("me.jpg", "me-a.png")


def test_a_title_within_code_ends_no_section() -> None:
    text = "## A\n```sh\n## B\nx\n```\n### C\ny\n## B\nz\n# D\n"
    assert readme_check.section_of(text, "A").splitlines() == "```sh|## B|x|```|### C|y".split("|")
    assert readme_check.section_of(text, "B") == "z"


def test_the_readme_can_be_followed() -> None:
    recipe = readme_check.read_recipe((ROOT / "README.md").read_text())
    assert any(command.startswith("pip install") for command in recipe.commands)
    assert recipe.photograph == "street.jpg" and recipe.painting.startswith("street-")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("## Get started\n", "## Begin\n", "there is no section Get started"),
        ("# writes me-a.png", "# makes me-a.png", "must end with"),
        ("impasto stylize", "impasto video", "must end with"),
        ("```sh\n# a line", "```text\n# a line", "must end with"),
    ],
)
def test_a_page_that_leads_to_no_painting_is_refused(old: str, new: str, says: str) -> None:
    with pytest.raises(clean.Failure, match=says):
        readme_check.read_recipe(PAGE.replace(old, new))


def test_the_package_is_installed_from_the_checkout() -> None:
    def installed(command: str) -> str:
        return readme_check.from_checkout(command, Path("/a"))

    assert installed("pip install impasto") == "pip install /a"
    assert installed("python -m pip install 'impasto[web]' impasto-x") == (
        "python -m pip install '/a[web]' impasto-x"
    )
    for other in ("pip install .", "impasto styles", "echo impasto"):
        assert installed(other) == other


def test_commands_share_a_shell_and_are_timed(tmp_path: Path) -> None:
    commands = ("cd /; X=1", "sleep 0.2", 'test "$X$PWD$HOME" = "1/$HOME"')
    home = tmp_path / "home"
    steps = readme_check.perform(commands, tmp_path, home)
    assert [step.command for step in steps] == list(commands)
    # A line may be read a little late, and the time until then belongs to the step before.
    assert steps[1].seconds >= 0.19 and steps[2].seconds > 0
    readme_check.perform([f'test "$HOME" = {home}'], tmp_path, home)


@pytest.mark.parametrize("command", ["echo so; false", "echo so; exit 3", "echo so; kill $$"])
def test_a_command_that_fails_is_told_with_its_words(tmp_path: Path, command: str) -> None:
    with pytest.raises(clean.Failure, match="failed: so"):
        readme_check.perform(["true", command, "touch later"], tmp_path, tmp_path)
    assert not (tmp_path / "later").exists()


def test_a_command_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme_check, "LONGEST", 0.3)
    with pytest.raises(clean.Failure, match="'sleep 60' failed"):
        readme_check.perform(["sleep 60"], tmp_path, tmp_path)


def test_nothing_of_ours_is_in_a_clean_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PIP_CACHE_DIR", "IMPASTO_STYLES", "XDG_CACHE_HOME", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/ours")
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/")
    found = clean.environment(tmp_path)
    assert "/ours" not in found.values() and found["PIP_INDEX_URL"] == "https://example.org/"
    assert (found["HOME"], found["PATH"]) == (str(tmp_path), "/usr/bin:/bin")


def test_a_painting_has_its_photographs_size_and_is_not_it(tmp_path: Path) -> None:
    photograph = readme_check.draw_photograph(90, 60).astype(float)
    clean.require_painted(255 - photograph, photograph)
    with pytest.raises(clean.Failure, match=r"differ by 1\.0 of 255"):
        clean.require_painted(photograph + 1, photograph)
    with pytest.raises(clean.Failure, match="60 x 90 pixels, not 90 x 60"):
        clean.require_painted(photograph.transpose(1, 0, 2), photograph)
    (tmp_path / "half.png").write_bytes(b"\x89PNG")
    with pytest.raises(clean.Failure, match=r"half\.png cannot be opened"):
        clean.read_picture(tmp_path / "half.png")


def test_the_photograph_is_none_of_the_examples() -> None:
    drawn = readme_check.draw_photograph(120, 80).astype(float)
    assert drawn.std() > 30
    for path in (ROOT / "examples" / "photos").glob("*.jpg"):
        with Image.open(path) as image:
            other = np.asarray(image.convert("RGB").resize((120, 80)), float)
        assert np.abs(drawn - other).mean() > 20


def test_the_table_adds_up() -> None:
    lines = readme_check.table([Step("git clone", 1.26), Step("pip install .", 30)]).splitlines()
    assert [line.split("s  ")[0].strip() for line in lines] == ["1.3", "30.0", "31.3"]
    assert Recipe((), "a", "b") == Recipe((), "a", "b")
