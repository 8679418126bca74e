"""Tuned styles: the decoder in PyTorch, the fit, files and resuming, and the commands."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import EMBEDDED, make_tiny
from lab_parts import SHARED, vgg_weights, write_pictures
from PIL import Image
from test_cli import save

from impasto.cli import styles
from impasto.controls.affine import Affine
from impasto.controls.moments import Moments
from impasto.errors import ImpastoError, ModelError, OptionError, StyleError
from impasto.images.photo import read_photo
from impasto.lab.cli import lab
from impasto.lab.export.gallery import Work, make_tuned_gallery
from impasto.lab.export.graphs import CardFacts, export
from impasto.lab.losses import STYLE_LAYERS
from impasto.lab.methods.compact.network import FAST, Compact
from impasto.lab.tuning.decoder import GraphDecoder
from impasto.lab.tuning.files import Job, Workshop
from impasto.lab.tuning.fitting import Tuner
from impasto.lab.tuning.judge import Judge, Losses
from impasto.lab.tuning.options import TuneOptions
from impasto.lab.tuning.prices import CONTENT, content_weight
from impasto.models import Bundle, find_bundle, open_engine
from impasto.styles import library
from impasto.styles.files import load_style, save_style, style_bytes
from impasto.styles.style import Style, blend_styles
from impasto.styles.tuned import Tuned
from impasto.stylizer import stylizer_of

ROOT = Path(__file__).parents[1]
VGG, PHOTOGRAPHS = (
    SHARED / each for each in ("weights/vgg_normalised.pth", "data/photos/flickr8k")
)
PAINTING = SHARED / "data/paintings/gallery/hokusai-great-wave.webp"

QUICK = TuneOptions(steps=4, batch=2, crop=32, crops=4, judged=2, size=64, content=1.0, rate=0.1)
TUNED = Tuned(
    better=True,
    content=3.0,
    steps=60,
    before=(0.78, 0.99),
    after=(0.88, 0.61),
    photographs=8,
    size=512,
    recipe="0123456789abcdef",
)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs and random weights of VGG."""
    folder = tmp_path_factory.mktemp("tuning")
    write_pictures(folder / "photos", 24)
    torch.save(vgg_weights(), folder / "vgg.pth")
    return folder


@pytest.fixture
def folder(places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a style picture, and a library of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    monkeypatch.setenv("IMPASTO_VGG", str(places / "vgg.pth"))
    monkeypatch.setattr(library, "GALLERY", tmp_path / "no gallery")
    save(tmp_path / "wave.png", height=72, width=96, seed=3)
    return tmp_path


@pytest.fixture(scope="module")
def judge(places: Path) -> Judge:
    return Judge([places / "photos"], vgg=places / "vgg.pth", options=QUICK)


def job(name: str = "wave", **fields: object) -> Job:
    return Job(name=name, picture=Path("wave.png"), target=Path(f"{name}.safetensors"), **fields)


# --- the decoder -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny", *EMBEDDED])
def test_the_decoder_in_pytorch_is_that_of_the_bundle(name: str) -> None:
    bundle = make_tiny() if name == "tiny" else find_bundle(name)
    engine = open_engine(bundle, name="onnxruntime", precision="fp32", threads=1)
    random = np.random.default_rng(0)
    features, _ = engine.encode(random.random((3, 48, 64), np.float32))
    maps = [
        Affine(*(random.normal(mean, 0.2, (len(each), 1, 1)).astype(np.float32) for mean in (1, 0)))
        for each in features
    ]
    tensors = [
        [torch.from_numpy(each)[None] for each in column]
        for column in (features, [each.scale for each in maps], [each.shift for each in maps])
    ]
    picture = GraphDecoder(bundle)(*tensors)[0].numpy()
    np.testing.assert_allclose(picture, engine.decode(features, maps), atol=1e-5)


def test_the_decoder_of_the_paper_pads_by_reflection(tiny_bundle: Bundle) -> None:
    import onnxruntime

    from impasto.lab.export.graphs import graph_of
    from impasto.lab.methods.adain import Decoder
    from impasto.lab.nets.blocks import affine

    class Aligned(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = Decoder(layer="relu2_1")

        def forward(self, *maps: torch.Tensor) -> torch.Tensor:
            return self.decoder(affine(*maps))

    torch.manual_seed(0)
    maps = [torch.randn(1, 128, 8, 10), torch.rand(1, 128, 1, 1), torch.rand(1, 128, 1, 1)]
    names = ["features_0", "scale_0", "shift_0"]
    with torch.no_grad():
        graph = graph_of(Aligned(), tuple(maps), names, ["image"])
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feed = {name: each.numpy() for name, each in zip(names, maps, strict=True)}
    decoder = GraphDecoder(replace(tiny_bundle, decoder=graph))
    picture = decoder(*([each] for each in maps)).numpy()
    np.testing.assert_allclose(picture, session.run(None, feed)[0], atol=1e-5)


def test_gradients_reach_scales_and_shifts(tiny_bundle: Bundle) -> None:
    random, decoder = torch.Generator().manual_seed(0), GraphDecoder(tiny_bundle)
    features = [torch.randn(1, c, side, side, generator=random) for c, side in ((12, 8), (48, 4))]
    scales = [torch.ones(1, c, 1, 1, requires_grad=True) for c in (12, 48)]
    shifts = [torch.zeros(1, c, 1, 1, requires_grad=True) for c in (12, 48)]
    (decoder(features, scales, shifts).square().sum() / 2).backward()
    values = []
    for move in (-1, 1):  # of a square of something linear the difference is exact
        moved = [shifts[0].detach(), shifts[1].detach().clone()]
        moved[1][0, 5] += move
        made = decoder(features, [each.detach() for each in scales], moved)
        values.append(made.double().square().sum().item() / 2)
    found = shifts[1].grad[0, 5, 0, 0].item()
    assert found == pytest.approx((values[1] - values[0]) / 2, rel=1e-4)
    assert all(each.grad.abs().sum() > 0 for each in (*scales, *shifts))


def test_models_whose_styles_cannot_be_tuned(tiny_bundle: Bundle) -> None:
    trained = Path(__file__).parents[1] / "trained" / "cin-9.impasto"
    if trained.exists():
        with pytest.raises(ModelError, match="styles of model 'cin-9' are built in"):
            GraphDecoder(find_bundle(trained))
    import onnx

    graph = onnx.load_from_string(tiny_bundle.decoder)
    graph.graph.node[0].op_type = "Erf"
    odd = replace(tiny_bundle, decoder=graph.SerializeToString())
    with pytest.raises(ModelError, match="decoder of model 'tiny' uses the operation Erf"):
        GraphDecoder(odd)


# --- what the judge sees ---------------------------------------------------------------------


def test_the_losses_are_those_of_the_paper(judge: Judge, folder: Path) -> None:
    photo = read_photo(folder / "wave.png")
    wanted = judge.wanted(photo)
    image = torch.from_numpy(photo.image).permute(2, 0, 1)[None]
    features = judge.vgg(image, STYLE_LAYERS)
    for layer in STYLE_LAYERS:
        x = features[layer].double()
        mean, std = x.mean((2, 3)), (x.var((2, 3), correction=0) + 1e-5).sqrt()
        torch.testing.assert_close(wanted[layer][0].flatten(1).double(), mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(wanted[layer][1].flatten(1).double(), std, rtol=1e-4, atol=1e-5)
    pictures = torch.rand(2, 3, 32, 32)
    content = torch.cat([each.content for each in judge.crops[:2]])
    seen = {layer: each.double() for layer, each in judge.vgg(pictures, STYLE_LAYERS).items()}
    x = content.double()
    mean, std = wanted["relu4_1"]
    target = (x - x.mean((2, 3), True)) / (x.var((2, 3), False, keepdim=True) + 1e-5).sqrt()
    target = target * std + mean
    for_content, for_style = judge.terms(pictures, content, wanted)
    assert for_content.item() == pytest.approx(
        (seen["relu4_1"] - target).square().mean().item(), rel=1e-4
    )
    style = sum(
        (seen[layer].mean((2, 3)) - wanted[layer][0].flatten(1)).square().mean()
        + ((seen[layer].var((2, 3), correction=0) + 1e-5).sqrt() - wanted[layer][1].flatten(1))
        .square()
        .mean()
        for layer in STYLE_LAYERS
    )
    assert for_style.item() == pytest.approx(style.item(), rel=1e-4)


def test_transparent_parts_of_a_style_do_not_count(judge: Judge, folder: Path) -> None:
    whole = read_photo(folder / "wave.png").image[:64, :64]
    beside = np.concatenate([whole, np.zeros_like(whole)], axis=1)
    alpha = np.ones(beside.shape[:2], np.float32)
    alone = judge.wanted(replace(read_photo(folder / "wave.png"), image=whole))
    photo = replace(read_photo(folder / "wave.png"), image=beside)
    both, half = judge.wanted(photo), np.copy(alpha)
    half[:, 64:] = 0
    seen = judge.wanted(replace(photo, alpha=half))
    for layer in ("relu1_1", "relu2_1"):
        near, far = (
            (each[layer][0] - alone[layer][0]).abs().mean().item() for each in (seen, both)
        )
        assert near < 0.1 * far


def test_nothing_is_learned_from_what_is_judged(judge: Judge, places: Path) -> None:
    from impasto.lab.data.sources import find_sources, split

    sources = find_sources(places / "photos")[0]
    held = [read_photo(each.path).image for each in split(sources, held_out=True)]
    assert 1 <= len(judge.unseen) <= 2 and len(judge.crops) == 4
    for seen in judge.unseen:
        square = seen.image.transpose(1, 2, 0)
        assert square.shape == (64, 64, 3)
        assert any(_holds(image, square) for image in held)


def _holds(image: np.ndarray, square: np.ndarray) -> bool:
    """Whether the middle of a picture, reduced to 64 px, is this square."""
    reduced = Image.fromarray(np.rint(image * 255).astype(np.uint8))
    factor = 64 / min(reduced.size)
    size = tuple(round(side * factor) for side in reduced.size)
    small = np.asarray(reduced.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)) / 255
    left = (small.shape[1] - 64) // 2
    return bool(np.abs(small[:64, left : left + 64] - square).max() < 2 / 255)


def test_settings_out_of_their_range(places: Path) -> None:
    for text, weight in {**CONTENT, "2.5": 2.5}.items():
        assert content_weight(text) == weight
    with pytest.raises(OptionError, match=r"content is 'much'; give strokes \("):
        content_weight("much")
    for fields, says in (
        ({"content": -1.0}, "content is -1.0; it must be 0 or more"),
        ({"steps": 0}, "steps is 0; it must be 1 or more"),
        ({"crop": 100}, "crop is 100; it must be a multiple of 16"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"comb": 1.5}, "comb is 1.5; it must be from 0 to 1"),
    ):
        with pytest.raises(OptionError, match=says):
            TuneOptions(**fields)
    with pytest.raises(OptionError, match="1 photograph, but tuning needs at least 2"):
        Judge([write_pictures(places / "one", 1)], vgg=places / "vgg.pth")


# --- the fit ---------------------------------------------------------------------------------


def test_crops_are_larger_than_the_margin_around_them(judge: Judge) -> None:
    with pytest.raises(
        OptionError,
        match="crop is 32; model 'tiny' needs crops larger than the margin around them, 32 px",
    ):
        _ = Tuner(make_tiny(margin=8), judge).crops


def test_losses_on_unseen_photographs_fall(judge: Judge, folder: Path, tiny_bundle: Bundle) -> None:
    tuner = Tuner(tiny_bundle, judge)
    photo = read_photo("wave.png")
    style = stylizer_of(tiny_bundle, tuner.engine).style(photo)
    steps: list[int] = []
    tuned = tuner.tune(
        style, photo, replace(QUICK, steps=15), watch=lambda done, count: steps.append(done)
    )
    record = tuned.tuned
    assert record is not None and record.better and steps == list(range(1, 16))
    before, after = (Losses(*each) for each in (record.before, record.after))
    assert after.total(1.0) < 0.95 * before.total(1.0)
    # The losses are those of the pictures that the studio paints, not of something near them.
    assert tuner.judged(tuned.moments, photo).style == pytest.approx(after.style, rel=1e-6)
    model = stylizer_of(tiny_bundle, tuner.engine)
    photographs = (np.ascontiguousarray(each.image.transpose(1, 2, 0)) for each in judge.unseen)
    pictures = (model.paint(each, tuned).image.transpose(2, 0, 1) for each in photographs)
    painted = judge.losses(map(np.ascontiguousarray, pictures), judge.wanted(photo))
    assert (painted.content, painted.style) == pytest.approx((after.content, after.style), rel=1e-3)
    assert all((level.std > 0).all() for level in tuned.moments)


def test_the_same_settings_give_the_same_style(
    judge: Judge, folder: Path, tiny_bundle: Bundle
) -> None:
    photo = read_photo("wave.png")
    made = []
    for options in (QUICK, QUICK, replace(QUICK, seed=1)):
        tuner = Tuner(tiny_bundle, judge)
        style = stylizer_of(tiny_bundle, tuner.engine).style(photo)
        made.append(tuner.tune(style, photo, options))
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_a_style_that_gets_no_better_stays_as_it_was(
    judge: Judge, folder: Path, tiny_bundle: Bundle
) -> None:
    tuner = Tuner(tiny_bundle, judge)
    photo = read_photo("wave.png")
    style = stylizer_of(tiny_bundle, tuner.engine).style(photo)
    for rate in (300.0, 1e9):  # the latter leaves nothing finite
        kept = tuner.tune(style, photo, replace(QUICK, steps=3, rate=rate))
        assert kept.tuned is not None and not kept.tuned.better
        assert replace(kept, tuned=None) == style
        assert "not better, so left unchanged" in str(kept.tuned)


def test_a_style_of_another_model_is_refused(judge: Judge, folder: Path) -> None:
    photo = read_photo("wave.png")
    one, other = make_tiny(), make_tiny(seed=1)
    tuner = Tuner(one, judge)
    style = stylizer_of(other, Tuner(other, judge).engine).style(photo)
    with pytest.raises(StyleError, match="was made for model"):
        tuner.tune(style, photo)


def test_a_share_of_the_mesh_is_removed_whatever_the_losses_say(
    judge: Judge, folder: Path, tiny_bundle: Bundle
) -> None:
    torch.manual_seed(0)
    facts = CardFacts("combed", "A comb", "for tests", "nothing", 0, {}, "MIT")
    with torch.no_grad():
        bundle = export(Compact(replace(FAST, comb=True)), facts)
    tuner, photo = Tuner(bundle, judge), read_photo("wave.png")
    style = stylizer_of(bundle, tuner.engine).style(photo)
    assert style.moments[-1].mean == 0
    for share in (0.0, 0.5):
        found = tuner.fitted(style.moments, photo, replace(QUICK, comb=share))
        assert found[-1].mean == share and found[-1].std == 0
        assert all(np.any(found[i].mean != style.moments[i].mean) for i in range(2))
        again = tuner.fitted(found, photo, replace(QUICK, comb=0.25))
        assert again[-1].mean == 0.25
    # It is part of the recipe of a model that has the filter, and of no other.
    judges = [
        Judge([folder.parent], vgg=judge._file, options=replace(QUICK, comb=share))
        for share in (0.25, 0.5)
    ]
    for each, differ in ((bundle, True), (tiny_bundle, False)):
        recipes = {Workshop(each, one).recipe(job()) for one in judges}
        assert (len(recipes) == 2) == differ


def test_between_untuned_and_tuned(judge: Judge, folder: Path, tiny_bundle: Bundle) -> None:
    tuner = Tuner(tiny_bundle, judge)
    model, photo = stylizer_of(tiny_bundle, tuner.engine), read_photo("wave.png")
    style = model.style(photo)
    tuned = tuner.tune(style, photo, replace(QUICK, steps=15))
    middle = blend_styles([style, tuned], [1, 1])
    assert middle.tuned is None
    for level, one, other in zip(middle.moments, style.moments, tuned.moments, strict=True):
        np.testing.assert_allclose(level.std, (one.std + other.std) / 2)
    total = [tuner.judged(each.moments, photo).total(1.0) for each in (style, middle)]
    assert total[0] > total[1]
    image = model.stylize("wave.png", [style, tuned], weights=[1, 1])
    difference = np.asarray(image, float) - np.asarray(model.stylize("wave.png", middle), float)
    assert np.abs(difference).max() <= 1


# --- files -----------------------------------------------------------------------------------


def test_a_style_file_says_how_it_was_tuned(tmp_path: Path) -> None:
    plain = Style("wave", "0" * 16, (Moments(np.zeros(2), np.ones(2)),))
    tuned = replace(plain, tuned=TUNED)
    assert b"tuned" not in style_bytes(plain)
    save_style(tuned, tmp_path / "tuned.safetensors")
    assert load_style(tmp_path / "tuned.safetensors") == tuned != plain
    assert str(TUNED) == (
        "60 steps at content weight 3: style loss 0.990 -> 0.610, content loss 0.780 -> 0.880 on "
        "8 photographs of up to 512 px"
    )


@pytest.mark.parametrize(
    ("old", "new"), [(b"60", b"[]"), (b"0.78", b" NaN"), (b"steps", b"stops"), (b"true", b"tru}")]
)
def test_damaged_records_are_found(tmp_path: Path, old: bytes, new: bytes) -> None:
    style = Style("wave", "0" * 16, (Moments(np.zeros(2), np.ones(2)),), tuned=TUNED)
    data = style_bytes(style)
    assert data.count(old) == 1
    (tmp_path / "bad.safetensors").write_bytes(data.replace(old, new))
    with pytest.raises(StyleError, match="record of tuning"):
        load_style(tmp_path / "bad.safetensors")


def test_whole_results_are_skipped(
    judge: Judge, folder: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(folder / "rain.png", height=80, width=64, seed=5)
    jobs = [job(), replace(job("rain"), picture=Path("rain.png"))]
    workshop = Workshop(tiny_bundle, judge)
    first = list(workshop.run(jobs[:1]))
    assert [each.seconds is None for each in first] == [False]
    before = Path("wave.safetensors").read_bytes()
    both = list(Workshop(tiny_bundle, judge).run(jobs))
    assert [each.seconds is None for each in both] == [True, False]
    assert Path("wave.safetensors").read_bytes() == before
    # Nothing is opened where nothing is left to do.
    monkeypatch.setattr("impasto.lab.tuning.files.Tuner", None)
    assert all(each.seconds is None for each in Workshop(tiny_bundle, judge).run(jobs))


def test_results_of_other_settings_are_not_taken_for_whole(
    judge: Judge, folder: Path, places: Path, tiny_bundle: Bundle
) -> None:
    workshop = Workshop(tiny_bundle, judge)
    list(workshop.run([job()]))
    other = Judge([places / "photos"], vgg=places / "vgg.pth", options=replace(QUICK, content=2.0))
    with pytest.raises(StyleError, match="was not made by this command with these pictures"):
        list(Workshop(tiny_bundle, other).run([job()]))
    recipes = {
        workshop.recipe(job()),
        Workshop(tiny_bundle, other).recipe(job()),
        Workshop(make_tiny(seed=1), judge).recipe(job()),
        Workshop(tiny_bundle, judge, style_size=64).recipe(job()),
        workshop.recipe(replace(job(), start=load_style("wave.safetensors"))),
    }
    save(folder / "wave.png", height=72, width=96, seed=4)
    recipes.add(workshop.recipe(job()))
    assert len(recipes) == 6
    assert workshop.found(job()) is None
    (made,) = workshop.run([job()], overwrite=True)
    assert made.seconds is not None and workshop.found(job()) == made.style


# --- the gallery -----------------------------------------------------------------------------

WORKS = (
    Work("monet-bridge", "wave.png", "Claude Monet", "The Bridge"),
    Work("klimt-kiss", "kiss.png", "Gustav Klimt", "The Kiss", "1907-1908"),
)


def test_a_gallery_goes_on_and_swaps_its_shelf_at_the_end(
    judge: Judge, folder: Path, tiny_path: Path
) -> None:
    save(folder / "kiss.png", height=64, width=80, seed=6)
    shelf = Path("gallery/tiny")
    shelf.mkdir(parents=True)
    (shelf / "old.safetensors").write_text("of a work that is gone")

    def make(**options: object) -> list[Path]:
        return make_tuned_gallery(
            folder, judge, work="work", models=[tiny_path], works=WORKS, folder="gallery", **options
        )

    with pytest.raises(OptionError, match="already has 1 style"):
        make()

    class Stopped(Exception):
        pass

    def stop(result: object, progress: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        make(overwrite=True, watch=stop)
    assert [path.name for path in shelf.iterdir()] == ["old.safetensors"]
    assert [path.name for path in Path("work/tiny").iterdir()] == ["monet-bridge.safetensors"]
    first = Path("work/tiny/monet-bridge.safetensors").read_bytes()
    told = []
    made = make(overwrite=True, watch=lambda result, progress: told.append((result, progress)))
    assert [(each.job.name, p.done, p.count, p.seconds) for each, p in told] == [
        ("klimt-kiss", 2, 2, 0.0)
    ]
    assert Path("work/tiny/monet-bridge.safetensors").read_bytes() == first
    assert sorted(shelf.iterdir()) == sorted(made)
    for path, work in zip(made, WORKS, strict=True):
        style = load_style(path)
        assert (style.name, style.note, style.thumbnail) == (work.name, work.note, None)
        assert style.tuned is not None and style.tuned.steps == QUICK.steps
    # A work in another copy is made again, and the others are not.
    save(folder / "wave.png", height=72, width=96, seed=9)
    told.clear()
    make(overwrite=True, watch=lambda result, progress: told.append((result, progress)))
    assert [each.job.name for each, _ in told] == ["monet-bridge"]


def test_tables_of_the_styles_that_ship(folder: Path, tiny_path: Path, tiny_bundle: Bundle) -> None:
    import shelves

    assert shelves.means({"tiny": {}}) is None and shelves.every({"tiny": {}}, WORKS) is None
    shelf = {"folder": library.GALLERY, "shelf": "tiny"}
    model = stylizer_of(tiny_bundle, open_engine(tiny_bundle, name="onnxruntime"))
    style = replace(model.style("wave.png"), tuned=TUNED)
    library.add_style(style, "monet-bridge", **shelf)
    library.add_style(replace(style, tuned=replace(TUNED, better=False)), "klimt-kiss", **shelf)
    library.add_style(replace(style, tuned=None), "klimt-hope", **shelf)
    library.add_style(style, "mine")  # no style of the gallery
    found = shelves.read_shelves([str(tiny_path)])
    assert found == {"tiny": {"monet-bridge": TUNED, "klimt-kiss": replace(TUNED, better=False)}}
    (line,) = shelves.means(found).splitlines()[2:]
    assert line == "| `tiny` | 2 | 0.990 → 0.800 (-19%) | 0.780 → 0.830 (+6%) | 1 |"
    lines = shelves.every(found, WORKS).splitlines()[2:]
    assert "| `monet-bridge` | Claude Monet, The Bridge | 0.99 → 0.61, 0.78 → 0.88 |" in lines
    assert (
        "| `klimt-kiss` | Gustav Klimt, The Kiss (1907-1908) | 0.99 → 0.99, 0.78 → 0.78 |" in lines
    )


# --- the commands ----------------------------------------------------------------------------


def small(places: Path, tiny_path: Path) -> list[str]:
    """Options that make a command quick."""
    options = ["--photographs", places / "photos", "--model", tiny_path, "--steps", 2]
    for setting in ("crop=32", "size=32", "judged=1"):
        options += ["--set", setting]
    return list(map(str, options))


def test_the_command_writes_files_and_adds_styles(
    folder: Path, places: Path, tiny_path: Path, tiny_bundle: Bundle
) -> None:
    def tune(*words: str) -> str:
        done = CliRunner().invoke(lab, ["tune", *words, *small(places, tiny_path)])
        assert done.exit_code == 0, done.output or done.exception
        return done.stdout

    words = ["wave.png", "-o", "out.safetensors", "--content", "strokes"]
    (line,) = tune(*words).splitlines()
    assert re.fullmatch(
        r"out\.safetensors: (not better, so left unchanged; )?2 steps at content weight 4: style "
        r"loss [\d.]+ -> [\d.]+, content loss [\d.]+ -> [\d.]+ on \d photographs? of up to \d+ px "
        r"\(\d+ s\)",
        line,
    )
    style = load_style("out.safetensors")
    assert (style.name, style.note) == ("out", "wave.png") and style.thumbnail
    told = CliRunner().invoke(styles.style, ["show", "out.safetensors"]).output
    assert f"    tuned: {style.tuned}\n" in told
    assert tune(*words) == "out.safetensors: already exists, skipped\n"
    # The style itself goes on from there, with the picture that it was made of.
    tune("out.safetensors", "--picture", "wave.png", "--add", "{}-further")
    (entry,) = library.list_styles(model=tiny_bundle.identity)
    assert entry.name == "out-further" and entry.style is not None
    assert entry.style.tuned is not None and entry.style.note == "wave.png"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["wave.png"], "give an output: -o FILE, or --add NAME"),
        (["wave.png", "-o", "a.safetensors", "--add", "a"], "give an output:"),
        (["wave.png", "wave.png", "-o", "a.safetensors"], "is one file for 2 styles"),
        (["wave.png", "wave.png", "--add", "a"], "include {}, which stands"),
        (["wave.png", "wave.png", "-o", "styles"], "would both be styles/wave.safetensors"),
        (["wave.png", "--add", "the wave"], "cannot be a style's name"),
        (["gone.png", "-o", "a.safetensors"], "gone.png"),
        (["kept", "-o", "a.safetensors"], "kept: is a style, and the style loss needs the picture"),
        (
            ["wave.png", "--picture", "wave.png", "-o", "a.safetensors"],
            "there are 0 of these and 1 of --picture",
        ),
        (["wave.png", "-o", "a.safetensors", "--content", "much"], "content is 'much'"),
        (["wave.png", "-o", "a.safetensors", "--set", "layers=3"], "no setting 'layers'"),
        (["wave.png", "-o", "a.safetensors", "--set", "crop=wide"], "crop is 'wide'"),
        (["wave.png", "-o", "nowhere/a.safetensors"], "there is no folder nowhere"),
    ],
)
def test_what_the_command_refuses(
    folder: Path,
    places: Path,
    tiny_path: Path,
    tiny_bundle: Bundle,
    words: list[str],
    says: str,
) -> None:
    if "kept" in words:
        model = stylizer_of(tiny_bundle, open_engine(tiny_bundle, name="onnxruntime"))
        library.add_style(model.style("wave.png"), "kept")
    done = CliRunner().invoke(lab, ["tune", *words, *small(places, tiny_path)])
    told = str(done.exception) if isinstance(done.exception, ImpastoError) else done.output
    assert done.exit_code and says in " ".join(told.split())
    assert not Path("a.safetensors").exists()


def test_a_killed_run_goes_on(folder: Path, places: Path, tiny_path: Path) -> None:
    for i in range(3):
        save(folder / f"{i}.png", height=64, width=64, seed=i)
    command = [
        sys.executable, "-m", "impasto", "lab", "tune", "0.png", "1.png", "2.png", "-o", "styles",
        *small(places, tiny_path),
    ]  # fmt: skip
    first = folder / "styles" / "0.safetensors"
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL) as process:
        for _ in range(600):
            if first.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    before = first.read_bytes()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "styles/0.safetensors: already exists, skipped" and len(lines) == 3
    assert first.read_bytes() == before
    assert sorted(path.name for path in first.parent.iterdir()) == [
        f"{i}.safetensors" for i in range(3)
    ]


def test_style_add_mentions_tuning_where_the_lab_is_plugged_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = CliRunner().invoke(styles.style, ["add", "--help"]).output
    assert "impasto lab tune" in told
    monkeypatch.setattr(styles, "plugged_in", lambda: {})
    told = CliRunner().invoke(styles.style, ["add", "--help"]).output
    assert "impasto lab" not in told


# --- the real thing --------------------------------------------------------------------------


@pytest.mark.skipif(
    "quality" not in EMBEDDED or not (VGG.exists() and PHOTOGRAPHS.is_dir() and PAINTING.exists()),
    reason="weights and pictures are not beside the checkout",
)
def test_quality_gets_nearer_to_a_woodcut() -> None:
    options = TuneOptions(content=1.0, steps=16, crop=96, crops=8, judged=2, size=128, rate=0.1)
    tuner = Tuner(find_bundle("quality"), Judge([PHOTOGRAPHS], vgg=VGG, options=options))
    photo = read_photo(PAINTING)
    model = stylizer_of(tuner.bundle, tuner.engine)
    from impasto.images.photo import fit_photo

    photo = fit_photo(photo, 192, enlarge=False)
    tuned = tuner.tune(model.style(photo), photo)
    record = tuned.tuned
    assert record is not None and record.better
    assert record.after[1] < 0.95 * record.before[1]
    assert tuned.moments[-1].mean == pytest.approx(TuneOptions.comb)  # of the mesh is removed
