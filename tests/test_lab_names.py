"""The lab's public names: all there, loaded at their first use, and an error without PyTorch."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import impasto.lab

NO_TORCH = "import sys; sys.modules['torch'] = None; "


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", impasto.lab.__all__)
def test_every_name_is_there(name):
    pytest.importorskip("torch")
    found = getattr(impasto.lab, name)
    assert found.__doc__ or name.isupper()
    assert name in dir(impasto.lab)


def test_the_names_of_a_researcher():
    pytest.importorskip("torch")
    from impasto.lab import AdaIN, evaluate_models, gram_loss, load_vgg, train

    assert all(map(callable, (AdaIN, evaluate_models, gram_loss, load_vgg, train)))
    import impasto.lab.training.loop as loop

    assert impasto.lab.train is loop.train  # whatever was imported before
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = impasto.lab.nothing


def test_an_import_costs_nothing():
    done = python(
        "import sys, impasto.lab, impasto.lab.cli; "
        "print({name.split('.')[0] for name in sys.modules} & {'torch', 'numpy', 'onnx'})"
    )
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "from impasto.lab import AdaIN",
        "import impasto.lab; impasto.lab.train",
        "import impasto.lab.methods.gatys",
        "import impasto.lab.optimize.method",
    ],
)
def test_without_pytorch_the_error_says_what_to_do(code):
    done = python(NO_TORCH + code)
    last = done.stderr.strip().splitlines()[-1]
    assert (
        last == "impasto.errors.ImpastoError: impasto.lab needs PyTorch; pip install 'impasto[lab]'"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lab", "--help"], ""),
        (["lab", "train", "a.toml"], "impasto.lab needs PyTorch; pip install 'impasto[lab]'"),
    ],
)
def test_the_command_without_pytorch(arguments, message):
    done = python(NO_TORCH + f"from impasto.cli import main; sys.argv[1:] = {arguments}; main()")
    assert message in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == bool(message)
    assert done.returncode == (2 if message else 0)


def test_types_are_strict_in_every_module():
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    mypy = settings["tool"]["mypy"]
    assert mypy["strict"] is True and mypy["files"] == ["src/impasto"]
    # Nothing else is loosened or left out; overrides are for packages that have no types.
    assert set(mypy) == {"strict", "files", "untyped_calls_exclude", "overrides"}
    others = {name for override in mypy["overrides"] for name in override["module"]}
    assert others and not any(name.split(".")[0] in ("impasto", "*") for name in others)
