"""Styles as values and as files: what is kept comes back, every bad file gets one clear line."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import apply_affine, picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save

from impasto.controls.affine import adain
from impasto.controls.moments import Moments, moments
from impasto.errors import ImageError, ImpastoError, OptionError, StyleError
from impasto.styles.files import MAX_BYTES, SUFFIX, load_style, save_style
from impasto.styles.style import (
    THUMBNAIL_SIDE,
    Style,
    blend_styles,
    make_thumbnail,
    open_thumbnail,
)

MODEL, OTHER = "0123456789abcdef", "f" * 16

# The folder of a test is shared by all of its examples, which is meant.
shared = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make_style(*, seed: int = 0, channels: tuple[int, ...] = (5, 7), **changes: Any) -> Style:
    rng = np.random.default_rng(seed)
    levels = tuple(Moments(rng.normal(size=c), rng.uniform(0.1, 3, c)) for c in channels)
    style = Style("wave", MODEL, levels, note="Hokusai", model_name="tiny")
    return replace(style, **changes)


def rounded(style: Style) -> Style:
    """What float32 leaves of it."""
    return replace(
        style,
        moments=tuple(
            Moments(*(each.astype(np.float32).astype(np.float64) for each in (m.mean, m.std)))
            for m in style.moments
        ),
    )


def saved(style: Style, folder: Path, **options: Any) -> Path:
    path = folder / f"saved{SUFFIX}"
    save_style(style, path, overwrite=True, **options)
    return path


def refused(path: str | Path) -> str:
    with pytest.raises(StyleError) as caught:
        load_style(path)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(path).name in message
    return message


# --- a value ---------------------------------------------------------------------------------


def test_equal_when_everything_is() -> None:
    style = make_style()
    assert style == make_style() and hash(style) == hash(make_style())
    assert len({style, make_style(), rounded(style)}) == 2
    for other in (
        make_style(seed=1),
        make_style(channels=(5,)),
        make_style(channels=(5, 8)),
        *(replace(style, **{key: "x"}) for key in ("name", "model", "note", "model_name")),
        replace(style, thumbnail=b"x"),
        "wave",
    ):
        assert style != other


def test_pickles() -> None:
    style = make_style(thumbnail=b"x")
    found = pickle.loads(pickle.dumps(style))
    assert found == style
    assert found.thumbnail == b"x"


def test_repr_leaves_the_thumbnail_out() -> None:
    assert "thumbnail" not in repr(make_style(thumbnail=bytes(5000)))


# --- files -----------------------------------------------------------------------------------


@shared
@given(
    channels=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    words=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]))] * 3),
    thumbnail=st.none() | st.binary(min_size=1),
)
def test_what_is_saved_is_loaded(
    tmp_path: Path, channels: list[int], seed: int, words: tuple[str, ...], thumbnail: bytes | None
) -> None:
    name, note, model_name = words
    style = make_style(
        seed=seed,
        channels=tuple(channels),
        name=name,
        note=note,
        model_name=model_name,
        thumbnail=thumbnail,
    )
    path = saved(style, tmp_path)
    found = load_style(path)
    assert found == rounded(style)
    assert {m.mean.dtype for m in found.moments} == {np.dtype(np.float64)}
    # What has been rounded once stays as it is.
    assert load_style(saved(found, tmp_path)) == found


def test_any_safetensors_reader_reads_it(tmp_path: Path) -> None:
    path = saved(make_style(thumbnail=b"\xff\xd8"), tmp_path)
    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert file.metadata() == {
            "format": "impasto-style 1",
            "name": "wave",
            "model": MODEL,
            "model_name": "tiny",
            "note": "Hokusai",
            "thumbnail": "/9g=",
        }
    assert {name: (t.dtype, t.shape) for name, t in tensors.items()} == {
        "mean_0": (np.float32, (5,)),
        "std_0": (np.float32, (5,)),
        "mean_1": (np.float32, (7,)),
        "std_1": (np.float32, (7,)),
    }
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0, "tensors are not aligned"


def test_the_same_style_is_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    path = saved(rounded(make_style()), tmp_path)
    code = (
        "import sys; from impasto import load_style, save_style; "
        "save_style(load_style(sys.argv[1]), sys.argv[2])"
    )
    again = tmp_path / f"again{SUFFIX}"
    subprocess.run([sys.executable, "-c", code, path, again], check=True, timeout=60)
    assert again.read_bytes() == path.read_bytes()


def test_what_no_text_can_hold_becomes_a_question_mark(tmp_path: Path) -> None:
    path = saved(make_style(name=os.fsdecode(b"\xe9t\xe9.jpg")), tmp_path)
    assert load_style(path).name == "?t?.jpg"


def test_a_style_keeps_working(tmp_path: Path) -> None:
    features = np.random.default_rng(3).normal(size=(5, 8, 8))
    style = make_style(channels=(5,))
    found = load_style(saved(style, tmp_path))
    one, two = (
        apply_affine(features, adain(moments(features), each.moments[0])) for each in (style, found)
    )
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_no_file_is_replaced_unless_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / f"a{SUFFIX}"
    path.write_text("mine")
    with pytest.raises(StyleError, match=r"already exists; .*overwrite=True"):
        save_style(make_style(), path)
    assert path.read_text() == "mine"
    save_style(make_style(), path, overwrite=True)
    assert load_style(path).name == "wave"
    link = tmp_path / f"link{SUFFIX}"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(StyleError, match="already exists"):
        save_style(make_style(), link)
    assert sorted(tmp_path.iterdir()) == [path, link], "something else is left"


def test_a_file_that_appears_meanwhile_is_spared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{SUFFIX}"
    link = os.link

    def late(*arguments: Any, **more: Any) -> None:
        path.write_text("somebody else's")
        link(*arguments, **more)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(StyleError, match="already exists"):
        save_style(make_style(), path)
    assert path.read_text() == "somebody else's"
    assert list(tmp_path.iterdir()) == [path]


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / f"a{SUFFIX}"
    save_style(make_style(), path)
    assert load_style(path) == rounded(make_style())
    with pytest.raises(StyleError, match="already exists"):
        save_style(make_style(), path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["replace", "open"])
def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / f"a{SUFFIX}"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StyleError, match="No space left"):
        patch.setattr(*{"replace": (Path, "replace"), "open": (os, "fdopen")}[step], full)
        save_style(make_style(), path, overwrite=True)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / f"folder{SUFFIX}").mkdir()
    for name, mend in [
        ("wave.jpg", rf"named NAME\{SUFFIX}"),
        ("wave", "must be named NAME"),
        (f"gone/wave{SUFFIX}", "no folder .*gone; make it first"),
        (f"folder{SUFFIX}", "is a folder"),
        (f"zero\0{SUFFIX}", "cannot be written"),
    ]:
        with pytest.raises(StyleError, match=mend):
            save_style(make_style(), tmp_path / name, overwrite=True)


@pytest.mark.parametrize(
    ("style", "says"),
    [
        (make_style(model="tiny"), "'tiny' is not the identity"),
        (make_style(model="../../../../etc"), "is not the identity"),
        (make_style(channels=()), "no tensor 'mean_0'"),
        (make_style(thumbnail=bytes(MAX_BYTES)), "larger than the limit of 4,194,304 bytes"),
        (make_style(channels=(0,)), r"shape \(C,\), not float32 \(0,\)"),
        *(
            (replace(make_style(), moments=(Moments(np.array([mean]), np.array([std])),)), says)
            for mean, std, says in [
                (np.nan, 1.0, "'mean_0' holds NaN"),
                (0.0, np.inf, "'std_0' holds NaN or infinity"),
                (1e300, 1.0, "'mean_0' holds NaN or infinity"),
                (0.0, -1.0, "negative deviation"),
                ([1.0], [[1.0]], "shape"),
                ([0.0, 1.0], 1.0, "shape"),
            ]
        ),
    ],
)
def test_nonsense_is_not_saved(tmp_path: Path, style: Style, says: str) -> None:
    with pytest.raises(StyleError, match=f"'wave' cannot be written: .*{says}.*; make it again"):
        saved(style, tmp_path)
    assert not list(tmp_path.iterdir())


# --- bad files -------------------------------------------------------------------------------

GOOD = {
    "format": "impasto-style 1",
    "name": "wave",
    "model": MODEL,
    "model_name": "tiny",
    "note": "",
    "thumbnail": "",
}
ONE = np.ones(3, np.float32)


def written(path: Path, tensors: dict[str, np.ndarray], **changes: str | None) -> Path:
    metadata = {key: text for key, text in {**GOOD, **changes}.items() if text is not None}
    path.write_bytes(save(tensors, metadata))
    return path


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({}, "no tensor 'mean_0'"),
        ({"mean_0": ONE}, "no tensor 'std_0'"),
        ({"mean_0": ONE, "std_0": ONE, "mean_1": ONE}, "unknown tensor 'mean_1'"),
        ({"mean_0": ONE, "std_0": ONE, "mean_2": ONE, "std_2": ONE}, "no tensor 'mean_1'"),
        ({"mean_0": ONE, "std_0": ONE, "extra": ONE}, "unknown tensor 'extra'"),
        ({"weight": ONE, "bias": ONE}, "no tensor 'mean_0'"),
        ({"mean_0": ONE, "std_0": ONE[:2]}, "level 0: 3 means and 2 deviations"),
        ({"mean_0": ONE[:0], "std_0": ONE[:0]}, "shape (C,), not float32 (0,)"),
        ({"mean_0": ONE, "std_0": ONE[:, None]}, "shape (C,), not float32 (3, 1)"),
        ({"mean_0": ONE.astype(np.float64), "std_0": ONE}, "must be float32"),
        ({"mean_0": ONE, "std_0": ONE.astype(np.int32)}, "must be float32"),
        ({"mean_0": ONE * np.nan, "std_0": ONE}, "'mean_0' holds NaN"),
        ({"mean_0": ONE, "std_0": ONE * np.inf}, "'std_0' holds NaN or infinity"),
        ({"mean_0": ONE, "std_0": -ONE}, "negative deviation"),
    ],
)
def test_wrong_tensors(tmp_path: Path, tensors: dict[str, np.ndarray], says: str) -> None:
    assert says in refused(written(tmp_path / "x.safetensors", tensors))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "impasto-style 2"}, "its format is 2 and this Impasto reads 1; update Impasto"),
        ({"format": "pt"}, "but not a style"),
        ({"format": None}, "but not a style"),
        *(({key: None}, f"no {key!r}") for key in GOOD if key != "format"),
        ({"model": "fast"}, "'fast' is not the identity of a model"),
        ({"model": "../../../../../.x"}, "is not the identity of a model"),
        ({"thumbnail": "?!"}, "thumbnail is damaged"),
        ({"thumbnail": "é"}, "thumbnail is damaged"),
    ],
)
def test_wrong_metadata(tmp_path: Path, changes: dict[str, str | None], says: str) -> None:
    path = written(tmp_path / "x.safetensors", {"mean_0": ONE, "std_0": ONE}, **changes)
    assert says in refused(path)


def test_no_metadata(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(save({"weight": ONE}))
    assert "but not a style" in refused(path)


def test_numbers_that_numpy_has_no_type_for(tmp_path: Path) -> None:
    header = json.dumps(
        {
            "__metadata__": GOOD,
            "mean_0": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
            "std_0": {"dtype": "BF16", "shape": [2], "data_offsets": [4, 8]},
        }
    ).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    refused(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<!doctype html><title>404</title>",
        b"\xff" * 8 + b"{}",
        (1 << 40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (9).to_bytes(8, "little") + b'{"a":"b"}',
        (90_000).to_bytes(8, "little") + b"[" * 90_000,
        b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
    ids=range(9),
)
def test_no_safetensors_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    assert "not a style" in refused(path)


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than the limit of 4,194,304 bytes" in refused(path)


def test_cut_off_anywhere(tmp_path: Path) -> None:
    path = saved(make_style(thumbnail=bytes(100)), tmp_path)
    data = path.read_bytes()
    for end in range(0, len(data), 7):
        path.write_bytes(data[:end])
        refused(path)


@shared
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_wrong_bytes_anywhere(tmp_path: Path, damage: list[tuple[int, int]]) -> None:
    path = saved(make_style(), tmp_path)
    data = bytearray(path.read_bytes())
    for place, value in damage:
        data[place % len(data)] = value
    path.write_bytes(data)
    try:
        found = load_style(path)
    except StyleError as error:
        assert "\n" not in str(error)
    else:  # other words or numbers, but sound ones
        assert all(np.isfinite(m.mean).all() and (m.std >= 0).all() for m in found.moments)


def test_no_regular_file(tmp_path: Path) -> None:
    assert "no such style file" in refused(tmp_path / "gone.safetensors")
    assert "is a folder" in refused(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(pipe := tmp_path / "pipe.safetensors")
        assert "is a pipe" in refused(pipe)
    with pytest.raises(StyleError, match="cannot be read"):
        load_style("zero\0.safetensors")


# --- mixtures --------------------------------------------------------------------------------


def test_blend_known_answer() -> None:
    one, two = (
        make_style(name=name, note=note, moments=(Moments(np.array([mean]), np.array([std])),) * 2)
        for name, note, mean, std in [("sea", "Hokusai", 0.0, 1.0), ("sky", "Monet", 4.0, 3.0)]
    )
    found = blend_styles([one, two], [3, 1])
    assert [(m.mean.tolist(), m.std.tolist()) for m in found.moments] == [([1.0], [1.5])] * 2
    assert (found.name, found.note) == ("0.75 sea + 0.25 sky", "Hokusai; Monet")
    assert (found.model, found.model_name, found.thumbnail) == (MODEL, "tiny", None)


@given(st.lists(st.floats(0, 10), min_size=3, max_size=3).filter(lambda ws: sum(ws) > 0.1))
def test_blend_does_not_mind_order_or_scale(weights: list[float]) -> None:
    styles = [make_style(seed=seed, name=f"s{seed}") for seed in range(3)]
    found = blend_styles(styles, weights)
    turned = blend_styles(styles[::-1], [7 * w for w in weights[::-1]])
    for one, two in zip(found.moments, turned.moments, strict=True):
        np.testing.assert_allclose(one.mean, two.mean, atol=1e-12)
        np.testing.assert_allclose(one.std, two.std, atol=1e-12)


def test_blend_of_equal_styles_is_that_style(tmp_path: Path) -> None:
    style = make_style()
    found = blend_styles([style, style, style], [0.2, 0.5, 0.3])
    for one, two in zip(found.moments, style.moments, strict=True):
        np.testing.assert_allclose(one.mean, two.mean, rtol=1e-14)
        np.testing.assert_allclose(one.std, two.std, rtol=1e-14)
    assert found.note == "Hokusai"
    assert load_style(saved(found, tmp_path)) == rounded(found)


def test_what_has_no_weight_is_not_named() -> None:
    found = blend_styles([make_style(name="a", note=""), make_style(name="b", note="x")], [2, 0])
    assert (found.name, found.note) == ("1 a", "")


@pytest.mark.parametrize("weights", [[1], [0, 0], [1, -1], [1, np.nan], [np.inf, 1], []])
def test_blend_refuses_weights(weights: list[float]) -> None:
    with pytest.raises(OptionError, match="weight"):
        blend_styles([make_style(), make_style()], weights)
    with pytest.raises(OptionError, match="weight"):
        blend_styles([], weights[:0])


def test_blend_refuses_other_models() -> None:
    other = make_style(name="sky", model=OTHER, model_name="big")
    with pytest.raises(StyleError) as caught:
        blend_styles([make_style(), other], [1, 1])
    assert str(caught.value) == (
        f"style 'wave' of model 'tiny' ({MODEL}) and style 'sky' of model 'big' ({OTHER}) cannot "
        "be blended: make both with one model"
    )
    with pytest.raises(StyleError, match="cannot be blended"):
        blend_styles([make_style(), make_style(channels=(5,))], [1, 1])


# --- thumbnails ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(300, 200), (20, 30), (1000, 17)])
def test_thumbnail(size: tuple[int, int]) -> None:
    image = picture(*size)
    data = make_thumbnail(image)
    found = open_thumbnail(make_style(thumbnail=data))
    assert found is not None
    scale = min(1, THUMBNAIL_SIDE / max(size))
    assert abs(found.height - size[0] * scale) <= 1 and abs(found.width - size[1] * scale) <= 1
    assert len(data) < 12_000
    mean = np.asarray(found).mean((0, 1)) / 255
    np.testing.assert_allclose(mean, image.mean((0, 1)), atol=0.03)


def test_thumbnail_of_a_transparent_picture_is_on_white() -> None:
    clear = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    found = open_thumbnail(make_style(thumbnail=make_thumbnail(clear)))
    assert found is not None and np.asarray(found).min() > 250


def test_bad_thumbnails() -> None:
    assert open_thumbnail(make_style()) is None
    stream = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(stream, "PNG")
    for data in (b"nonsense", stream.getvalue()):
        with pytest.raises(ImageError) as caught:
            open_thumbnail(make_style(thumbnail=data))
        assert "\n" not in str(caught.value)
    with pytest.raises(ImpastoError):
        make_thumbnail("gone.jpg")
