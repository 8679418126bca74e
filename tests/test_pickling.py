"""Models, styles and encoded pictures in other processes: pickled and copied."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import VARIANTS, make_tiny, picture
from PIL import Image

import impasto
from impasto import Budget, Controls, EngineError, ImageError, ModelError, OptionError
from impasto.images.sources import open_picture
from impasto.images.windows import Source
from impasto.models import write_bundle

CONTENT, STYLE = picture(48, 40, seed=1), picture(40, 48, seed=2)


def again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def same(one: Any, two: Any, style: Any) -> bool:
    pictures = [model.paint(CONTENT, style).image for model in (one, two)]
    return np.array_equal(*pictures)


@pytest.mark.parametrize("copied", [again, copy.deepcopy, copy.copy])
@pytest.mark.parametrize("engine", sorted({name for name, _ in VARIANTS}))
def test_a_model_is_pickled_and_copied(tiny_path: Path, engine: str, copied: Any) -> None:
    model = impasto.load(tiny_path, engine=engine, precision="fp32", threads=1)
    style = model.style(STYLE)
    other = copied(model)
    assert other.painter is not model.painter
    assert (other.identity, other.engine.name) == (model.identity, engine)
    assert same(model, other, style)


def test_a_model_is_a_few_bytes(tiny_path: Path) -> None:
    assert len(pickle.dumps(impasto.load(tiny_path))) < 1000
    assert len(pickle.dumps(impasto.load("fast", engine="onnxruntime"))) < 1000


def test_a_model_arrives_in_a_process_of_another_folder(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_path.parent)
    model = impasto.load(tiny_path.name, engine="onnxruntime", threads=1)
    job = (model, CONTENT, model.style(STYLE), Controls(alpha=0.5), Budget(tile=32))
    (tmp_path / "job").write_bytes(pickle.dumps(job))
    work = (
        "import pickle; m, x, s, c, b = pickle.load(open('job', 'rb')); "
        "pickle.dump(m.paint(x, s, c, budget=b), open('done', 'wb'))"
    )
    subprocess.run([sys.executable, "-c", work], cwd=tmp_path, env=os.environ, check=True)
    found = pickle.loads((tmp_path / "done").read_bytes())
    assert np.array_equal(found.image, model.paint(*job[1:4], budget=job[4]).image)


def test_another_model_in_its_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.impasto"
    write_bundle(make_tiny(seed=1), path)
    pickled = pickle.dumps(impasto.load(path))
    path.unlink()
    with pytest.raises(ModelError, match=r"mine\.impasto"):
        pickle.loads(pickled)
    write_bundle(make_tiny(seed=2), path)
    with pytest.raises(ModelError, match="is now a different model"):
        pickle.loads(pickled)


def test_settings_of_a_method_travel() -> None:
    """A painter of a plug-in is opened again by its name, with its settings."""
    from impasto.stylizer import Origin

    origin = Origin("fast", "onnxruntime", None, 1, None, {"steps": 3})
    with pytest.raises(OptionError, match="no option 'steps'"):
        origin.open(impasto.load("fast", engine="onnxruntime").identity)


@pytest.mark.parametrize("budget", [Budget(), Budget(tile=32)])
@pytest.mark.parametrize("copied", [again, copy.deepcopy])
def test_an_encoded_picture_and_a_style_are_arrays(
    tiny_path: Path, budget: Budget, copied: Any
) -> None:
    model = impasto.load(tiny_path, engine="onnxruntime")
    style, content = model.style(STYLE), model.encode(CONTENT, budget=budget)
    assert copied(style) == style
    painted = model.paint(copied(content), copied(style)).image
    assert np.array_equal(painted, model.paint(content, style).image)


@pytest.mark.parametrize(
    "value",
    [
        Controls(alpha=0.3, weights=[2, 1], masks=[np.eye(4), 1 - np.eye(4)]),
        Budget(tile=64, memory=10**9),
        impasto.ReadOptions(size=64),
        impasto.SaveOptions(quality=80),
    ],
    ids=lambda value: type(value).__name__,
)
def test_options_are_pickled(value: Any) -> None:
    assert repr(again(value)) == repr(value)


def test_what_cannot_be_pickled_says_so(tiny_path: Path, tmp_path: Path) -> None:
    engine = impasto.load(tiny_path, engine="onnxruntime").engine
    for attempt in (pickle.dumps, copy.deepcopy):
        with pytest.raises(EngineError, match=r"pickle what impasto\.load\(\) returns"):
            attempt(engine)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    with open_picture(tmp_path / "a.png") as opened:
        strips: Source = opened.source()
        for value in (opened, strips):
            with pytest.raises(ImageError, match=r"a\.png: .* cannot be pickled"):
                pickle.dumps(value)
        again(opened.photo())
