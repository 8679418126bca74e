"""Folders as data sets: names, sizes, labels and masks stay; what is drawn is what is painted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_parts import contents, lines, make, make_styles, paint, picture, pictures, size_of
from PIL import Image

import impasto
from impasto.controls import Controls
from impasto.dataset.tree import Tree
from impasto.dataset.verify import verify_dataset
from impasto.errors import DatasetError, ImpastoError
from impasto.images.options import SaveOptions

pytestmark = pytest.mark.usefixtures("inline")


def test_image_folder_keeps_names_sizes_and_side_files(tmp_path: Path, tiny_path: Path) -> None:
    files = {
        **pictures(6),
        "cat/odd.JPEG": picture(7),
        "cat/clear.png": picture(8, "PNG"),
        "labels.csv": b"a,b\n",
        "cat/0000.txt": b"a cat",
        ".hidden/x.jpg": b"",
        "dog/.DS_Store": b"",
    }
    source = make(tmp_path / "in", files)
    made = paint(source, tmp_path / "out", make_styles(tmp_path / "styles"), tiny_path)
    names = sorted(name for name in files if ".hidden" not in name and "DS_Store" not in name)
    assert sorted(contents(tmp_path / "out")) == sorted([*names, "dataset.json", "manifest.jsonl"])
    assert made.counts == {"in": 8, "done": 8, "failed": 0, "skipped": 0, "copied": 2}
    for name in names:
        data = (tmp_path / "out" / name).read_bytes()
        if name.endswith((".csv", ".txt")):
            assert data == files[name]
        else:
            assert size_of(data) == size_of(files[name]) and data != files[name]
    assert verify_dataset(tmp_path / "out").is_right


def test_each_picture_is_what_its_line_says(tmp_path: Path, tiny_path: Path) -> None:
    source = make(tmp_path / "in", pictures(5))
    styles = make_styles(tmp_path / "styles")
    paint(source, tmp_path / "out", styles, tiny_path, seed=3, alpha=(0.2, 1))
    model = impasto.load(tiny_path, engine="onnxruntime", threads=1)
    found = lines(tmp_path / "out")
    assert len({line["style"] for line in found}) > 1
    for line in found:
        assert line["seed"] == 3 and line["model"] == model.identity
        style = model.style(styles / f"{line['style']}.png")
        target = tmp_path / "again.jpg"
        model.stylize_file(
            source / line["source"],
            target,
            style,
            Controls(alpha=line["alpha"]),
            save=SaveOptions(overwrite=True),
        )
        with Image.open(target) as a, Image.open(tmp_path / "out" / line["result"]) as b:
            difference = np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16))
        assert difference.max() <= 1  # styles that are kept are rounded
        assert line["size"] == (tmp_path / "out" / line["result"]).stat().st_size


def test_coco_and_voc_keep_their_labels(tmp_path: Path, tiny_path: Path) -> None:
    """Boxes and masks hold for the results, which have the names and sizes of the pictures."""
    coco = {
        "images": [{"id": 1, "file_name": "000001.jpg", "width": 40, "height": 32}],
        "annotations": [{"image_id": 1, "bbox": [1, 2, 30, 20]}],
    }
    mask = Image.new("P", (40, 32))
    mask.putpalette([0, 0, 0, 128, 0, 0])
    mask_file = tmp_path / "mask.png"
    mask.save(mask_file)
    files = {
        "coco/train2017/000001.jpg": picture(0),
        "coco/annotations/instances_train2017.json": json.dumps(coco).encode(),
        "coco/annotations/panoptic_train2017/000001.png": mask_file.read_bytes(),
        "VOC2012/JPEGImages/2007_000027.jpg": picture(1),
        "VOC2012/Annotations/2007_000027.xml": b"<annotation/>",
        "VOC2012/SegmentationClass/2007_000027.png": mask_file.read_bytes(),
        "VOC2012/ImageSets/Main/train.txt": b"2007_000027\n",
        "own/gt_fine/1.png": mask_file.read_bytes(),
        "own/photos/1.png": picture(2, "PNG"),
        "own/photos/panoptic_1.png": picture(3, "PNG"),
    }
    source = make(tmp_path / "in", files)
    styles = make_styles(tmp_path / "styles")
    made = paint(source, tmp_path / "out", styles, tiny_path, copy=["gt_*"], link=True)
    painted = [name for name in files if (tmp_path / "out" / name).read_bytes() != files[name]]
    assert painted == [
        "coco/train2017/000001.jpg",
        "VOC2012/JPEGImages/2007_000027.jpg",
        "own/photos/1.png",
        "own/photos/panoptic_1.png",
    ]
    assert made.remarks == (
        "1 picture below 'SegmentationClass' will be copied, as masks or labels",
        "1 picture below 'annotations' will be copied, as masks or labels",
    )
    for name in painted:
        assert size_of(tmp_path / "out" / name) == size_of(files[name])
    linked = [name for name in files if (source / name).stat().st_nlink == 2]
    assert linked == [name for name in files if name not in painted]


def test_a_picture_that_viewers_turn_stays_as_it_is_stored(tmp_path: Path, tiny_path: Path) -> None:
    """Boxes are told in stored pixels, and most loaders of training pass EXIF data over."""
    files = {}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files[f"{orientation}.jpg"] = picture(0, exif=exif, quality=95)
    files["6.png"] = picture(0, "PNG", exif=exif)
    source = make(tmp_path / "in", files)
    styles = make_styles(tmp_path / "styles", 1)
    paint(source, tmp_path / "out", styles, tiny_path, alpha=(0.05, 0.05))
    for name, data in files.items():
        with Image.open(tmp_path / "out" / name) as result, Image.open(source / name) as before:
            assert result.size == before.size == (40, 32)
            assert result.getexif().get(0x0112, 1) == before.getexif()[0x0112]
            far = np.abs(np.asarray(result, float) - np.asarray(before.convert("RGB"), float))
        assert far.mean() < 12, name  # a turned one is 40 away
        assert data == (source / name).read_bytes()


def test_several_styles_a_picture_make_whole_data_sets(tmp_path: Path, tiny_path: Path) -> None:
    files = {**pictures(3), "labels.csv": b"1"}
    source = make(tmp_path / "in", files)
    styles = make_styles(tmp_path / "styles")
    made = paint(source, tmp_path / "out", styles, tiny_path, styles_per_picture=2, seed=1)
    assert made.counts == {"in": 6, "done": 6, "failed": 0, "skipped": 0, "copied": 2}
    one, two = ({name: (tmp_path / "out" / n / name).read_bytes() for name in files} for n in "12")
    assert one["labels.csv"] == two["labels.csv"] == b"1"
    assert all(one[name] != two[name] for name in pictures(3))
    found = {(line["source"], line.get("copy", 0)): line for line in lines(tmp_path / "out")}
    for name in pictures(3):
        assert found[name, 0]["style"] != found[name, 1]["style"]
        assert found[name, 1]["result"] == f"2/{name}"
    paint(source, tmp_path / "single", styles, tiny_path, seed=1)
    assert {name: (tmp_path / "single" / name).read_bytes() for name in files} == one


def test_formats_that_are_not_written_become_png_and_it_is_said(
    tmp_path: Path, tiny_path: Path
) -> None:
    files = {"1.ppm": picture(0, "PPM"), "2.gif": picture(1, "GIF"), "3.bmp": picture(2, "BMP")}
    source = make(tmp_path / "in", files)
    made = paint(source, tmp_path / "out", make_styles(tmp_path / "styles"), tiny_path)
    results = [line["result"] for line in lines(tmp_path / "out")]
    assert results == ["1.ppm.png", "2.gif.png", "3.bmp.png"]
    assert any(
        each.startswith("1 .ppm picture will be written as NAME.ppm.png") for each in made.remarks
    )
    make(source, {"1.ppm.png": picture(3, "PNG")})
    with pytest.raises(DatasetError, match=r"1\.ppm: its result would have the name of another"):
        paint(source, tmp_path / "out2", make_styles(tmp_path / "styles"), tiny_path)


def test_styles_are_read_once_and_kept_beside_the_users_own(
    tmp_path: Path, tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "in", pictures(2))
    styles = make_styles(tmp_path / "styles")
    paint(source, tmp_path / "out", styles, tiny_path)
    (kept,) = (tmp_path / "my styles" / "read").iterdir()
    before = kept.read_bytes()
    from impasto.stylizer import Stylizer

    read: list[str] = []
    prepare = Stylizer.prepare

    def noted(self: Stylizer, style: Any, *options: Any, **more: Any) -> Any:
        if isinstance(style, Path):
            read.append(style.name)
        return prepare(self, style, *options, **more)

    monkeypatch.setattr(Stylizer, "prepare", noted)
    make(styles, {"style9.png": picture(99, "PNG")})
    (styles / "style0.png").rename(styles / "style5.png")  # the same picture
    paint(source, tmp_path / "out2", styles, tiny_path)
    assert read == ["style9.png"] and len(kept.read_bytes()) > len(before)
    kept.unlink()  # as on another machine: read again, to the same bytes
    paint(source, tmp_path / "out3", styles, tiny_path)
    assert contents(tmp_path / "out3") == contents(tmp_path / "out2")


def test_styles_that_cannot_be_read_are_left_out_and_named(tmp_path: Path, tiny_path: Path) -> None:
    source = make(tmp_path / "in", pictures(8))
    styles = make_styles(tmp_path / "styles", 2)
    make(styles, {"bad.png": b"no picture"})
    paint(source, tmp_path / "out", styles, tiny_path)
    assert {line["style"] for line in lines(tmp_path / "out")} == {"style0", "style1"}
    only = make(tmp_path / "bad", {"bad.png": b"no picture"})
    with pytest.raises(DatasetError, match="none of 1 style can be read"):
        paint(source, tmp_path / "out2", only, tiny_path)


def test_color_methods_look_at_the_pictures_of_styles(tmp_path: Path, tiny_path: Path) -> None:
    source = make(tmp_path / "in", pictures(4))
    styles = make_styles(tmp_path / "styles", 2)
    for color in ("cholesky", "luminance", "only"):
        out = tmp_path / color
        made = paint(source, out, styles, tiny_path, color=color)
        assert made.is_whole
    results = [(tmp_path / color / "cat/0000.jpg").read_bytes() for color in ("cholesky", "only")]
    assert len(set(results)) == 2


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: root / "nowhere", "no such folder"),
        (lambda root: make(root / "empty", {"a.txt": b""}), "has no pictures"),
        (lambda root: make(root / "in", {"a.zip": b""}) / "a.zip", "is a file"),
        (lambda root: make(root / "out/in", pictures(1)), "would be both read and written"),
        (lambda root: root / "out", "would be both read and written"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(
    tmp_path: Path, tiny_path: Path, spoil: Callable[[Path], Path], says: str
) -> None:
    styles = make_styles(tmp_path / "styles")
    (tmp_path / "out").mkdir()
    with pytest.raises(ImpastoError, match=says):
        paint(spoil(tmp_path), tmp_path / "out", styles, tiny_path)


def test_results_within_the_source_are_no_pictures_of_it(tmp_path: Path, tiny_path: Path) -> None:
    source = make(tmp_path / "in", pictures(2))
    styles = make_styles(tmp_path / "styles")
    for _ in range(2):
        assert paint(source, source / "out", styles, tiny_path).counts["in"] == 2


def test_doubtful_folders_and_links_are_said(tmp_path: Path) -> None:
    source = make(tmp_path / "in", {"masks/1.png": b"", "a/1.jpg": b"", "b/1.jpg": b""})
    (source / "link").symlink_to(source / "a")
    found = Tree(source, tmp_path / "out").survey()
    assert found.pictures == 3 and found.copied == 0
    assert found.remarks == [
        "1 picture below 'masks' will be painted; if these are masks or labels, give --copy masks",
        "1 link to a folder is not followed: link",
    ]
    assert Tree(source, tmp_path / "out", ["masks"]).survey().copied == 1


def test_another_call_with_other_options_is_refused(tmp_path: Path, tiny_path: Path) -> None:
    source = make(tmp_path / "in", pictures(2))
    styles = make_styles(tmp_path / "styles")
    out = tmp_path / "out"
    paint(source, out, styles, tiny_path, seed=1)
    before = contents(out)
    with pytest.raises(DatasetError, match=r"out: was started with another seed \(1, now 2\)"):
        paint(source, out, styles, tiny_path, seed=2)
    make(styles, {"style9.png": picture(9, "PNG")})
    with pytest.raises(DatasetError, match="with other styles"):
        paint(source, out, styles, tiny_path, seed=1)
    (styles / "style9.png").unlink()
    made = paint(source, out, styles, tiny_path, seed=1, workers=3)  # which changes no byte
    assert made.earlier == 2 and contents(out) == before
    mine = make(tmp_path / "mine", {"notes.txt": b""})
    with pytest.raises(DatasetError, match="mine: contains other files"):
        paint(source, mine, styles, tiny_path)


def test_what_is_gone_or_cut_short_is_made_again(tmp_path: Path, tiny_path: Path) -> None:
    source = make(tmp_path / "in", {**pictures(4), "a.txt": b"side"})
    styles = make_styles(tmp_path / "styles")
    out = tmp_path / "out"
    paint(source, out, styles, tiny_path)
    before = contents(out)
    (out / "cat/0000.jpg").unlink()
    (out / "a.txt").unlink()
    (out / "dog/0001.jpg").write_bytes(b"cut")
    made = paint(source, out, styles, tiny_path)
    assert made.earlier == 2 and contents(out) == before
