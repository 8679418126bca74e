"""Every script beside the package imports without side effects and answers ``--help``."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import impasto

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "examples", "docs", "recipes", "experiments")
FILES = [
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
]
GUARD = 'if __name__ == "__main__":'
SCRIPTS = [name for name in FILES if GUARD in (ROOT / name).read_text()]
MODULES = [name for name in FILES if name not in SCRIPTS]
"""Files that scripts beside them import; not to be called."""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(impasto.__file__).parents[1])}


Faults = dict[str, tuple[list[str], list[str]]]
"""Path -> what is wrong with importing it, and with its answer to ``--help``."""


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """The faults of all files."""
    pytest.importorskip("torch", reason="most scripts study models, which needs PyTorch")
    folder = tmp_path_factory.mktemp("imports")
    found = import_all([ROOT / name for name in FILES], folder)
    assert not list(folder.iterdir())
    return found


def import_all(paths: list[Path], folder: Path) -> Faults:
    """Try the scripts in one process that works in ``folder``."""
    command = [sys.executable, str(Path(__file__).with_name("script_importer.py"))]
    done = subprocess.run(
        [*command, *map(str, paths)],
        capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Faults = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_script_imports_without_side_effects(name: str, faults: Faults) -> None:
    assert faults[str(ROOT / name)][0] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_answers_help_and_does_nothing_else(name: str, faults: Faults) -> None:
    assert faults[str(ROOT / name)][1] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_file_that_is_no_script_is_imported_by_one_beside_it(name: str) -> None:
    path = ROOT / name
    neighbors = [other for other in path.parent.glob("*.py") if other != path]
    assert any(path.stem in imported(other) for other in neighbors), f"{name} has no {GUARD}"


def test_faults_of_an_import_are_found(tmp_path: Path) -> None:
    texts = {
        "fine": "import json\nimport impasto\nfrom impasto.errors import ImageError\n",
        "writes": "from pathlib import Path\nPath('made').write_text('')\n",
        "prints": "print('hello')\n",
        "runs": "import subprocess, sys\nsubprocess.run([sys.executable, '--version'])\n",
        "parses": "import argparse\nargparse.ArgumentParser().parse_args()\n",
        "rots": "def main():\n    from impasto.errors import Gone\n    import impasto.gone\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    found = import_all([tmp_path / f"{name}.py" for name in texts], tmp_path)
    faults = {Path(path).stem: " ".join(each) for path, (each, _) in found.items()}
    helps = {Path(path).stem: " ".join(each) for path, (_, each) in found.items()}
    assert faults["fine"] == "" and "no usage" in helps["fine"]
    assert helps["parses"] == "" and "subprocess" in helps["runs"] and "made" in helps["writes"]
    assert "made" in faults["writes"] and "hello" in faults["prints"]
    assert "subprocess" in faults["runs"] and "SystemExit" in faults["parses"]
    assert "no Gone in impasto.errors" in faults["rots"] and "impasto.gone" in faults["rots"]


def test_scripts_are_found() -> None:
    assert {"benchmarks/training.py", "docs/draw.py", "examples/make_styles.py"} <= set(SCRIPTS)


def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports at its top."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names
