"""One contract for all methods of the lab, and a known answer for each."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lab_parts import vgg_weights, write_pictures
from PIL import Image
from safetensors.torch import save_file

import impasto
from impasto.controls import Controls
from impasto.controls.moments import Moments
from impasto.errors import EngineError, ImpastoError, ModelError, OptionError, StyleError
from impasto.images.options import ReadOptions
from impasto.images.photo import read_photo, write_image
from impasto.lab.optimize.descent import Stage, descend, halved
from impasto.lab.optimize.settings import set_options
from impasto.models import plugins
from impasto.painting import Budget
from impasto.styles.style import Style

PLUGINS = [each for each in plugins() if each.module.startswith("impasto.lab.methods.")]
NAMES = [each.name for each in PLUGINS]

# Shallow layers, so that a small stand-in for VGG-19 will do.
SMALL = {
    "gatys": {"content_layers": "relu2_1", "style_layers": "relu1_1,relu2_1:0.5"},
    "cnnmrf": {
        "content_layers": "relu2_1",
        "style_layers": "relu2_1",
        "style_scales": "1",
        "style_rotations": "0,20",
        "scales": 2,
        "refresh": 2,
    },
    "style-swap": {"layer": "relu2_1"},
}


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(vgg_weights("Caffe", last="conv2_2"), path)
    return path


@pytest.fixture(scope="module", params=NAMES)
def model(request, vgg):
    loaded = impasto.load(request.param, vgg=vgg, engine="cpu", threads=1)
    return loaded.with_settings(options=SMALL[request.param], steps=4)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = write_pictures(tmp_path_factory.mktemp("pictures"), 3, side=40)
    return [read_photo(folder / f"{i}.png") for i in range(3)]


@pytest.fixture
def content(pictures):
    return pictures[0].image[:33, :47]


def total(losses):
    return sum(losses.values())


def test_entry_points_and_methods_agree():
    assert NAMES == ["cnnmrf", "gatys", "style-swap"]
    for plugin in PLUGINS:
        method = importlib.import_module(plugin.module).METHOD
        assert method.name == plugin.name
        assert {"steps", "seed", "start"} <= {f for f in method.options.__dataclass_fields__}


def test_keeps_size_range_and_kind(model, pictures, tmp_path):
    array = np.rint(pictures[0].image[:33, :47] * 255).astype(np.uint8)
    made = model.stylize(array, [pictures[1].image], steps=2)
    assert made.shape == array.shape and made.dtype == np.uint8
    assert not np.array_equal(made, array)
    tiny = model.stylize(array[:16, :17], [pictures[1].image], steps=2)
    assert tiny.shape == (16, 17, 3)


def test_the_loss_falls(model, pictures, content):
    seen = []
    one_size = {"scales": 1} if hasattr(model.painter.options, "scales") else None
    painted = model.with_settings(steps=12, options=one_size).paint(
        content, pictures[1], watch=seen.append
    )
    assert 0 <= painted.image.min() and painted.image.max() <= 1
    assert [each.step for each in seen] == list(range(1, 13)) and seen[0].steps == 12
    assert total(seen[-1].losses) < 0.8 * total(seen[0].losses)
    assert np.array_equal(seen[-1].picture(), painted.image)


def test_one_seed_is_one_picture(model, pictures, content):
    one, same, other = (
        model.with_settings(start="noise", seed=seed).paint(content, pictures[1]).image
        for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_begins_with_any_picture(model, pictures, content, tmp_path):
    given = model.with_settings(steps=2, start=pictures[2].image).paint(content, pictures[1]).image
    usual = model.with_settings(steps=2).paint(content, pictures[1]).image
    assert np.abs(given - usual).max() > 0.05
    with pytest.raises(ImpastoError, match="nowhere"):
        model.with_settings(start=str(tmp_path / "nowhere.png")).paint(content, pictures[1])


def test_strength_is_between_photograph_and_style(model, pictures, content):
    none = model.paint(content, pictures[1], Controls(alpha=0.0)).image
    assert np.array_equal(none, np.clip(content, 0, 1))
    weak, strong = (
        model.with_settings(steps=8).paint(content, pictures[1], Controls(alpha=alpha)).image
        for alpha in (0.3, 1.0)
    )
    assert 0 < np.abs(weak - content).mean() < np.abs(strong - content).mean()


def test_masks_keep_the_photograph_outside(model, pictures, content):
    left = np.zeros((33, 47), np.float32)
    left[:, :20] = 1
    masks = [left, np.roll(left, 20, axis=1)]
    made = model.paint(content, list(pictures[1:]), Controls(masks=masks)).image
    assert np.array_equal(made[:, 40:], np.clip(content[:, 40:], 0, 1))
    for region in (slice(0, 20), slice(20, 40)):
        assert np.abs(made[:, region] - content[:, region]).max() > 0.01
    swapped = model.paint(content, list(pictures[:0:-1]), Controls(masks=masks)).image
    assert np.abs(swapped - made).max() > 0.01


def test_weights_mix_and_zero_is_none(model, pictures, content):
    alone = model.paint(content, pictures[1]).image
    with_none = model.paint(content, list(pictures[1:]), Controls(weights=[1, 0])).image
    mixed = model.paint(content, list(pictures[1:]), Controls(weights=[1, 1])).image
    assert np.abs(alone - with_none).max() < 1e-4
    assert np.abs(alone - mixed).max() > 1e-3


def test_luminance_keeps_the_colors(model, pictures, content):
    made = model.paint(content * 0.4 + 0.3, pictures[1], Controls(color="luminance")).image
    chroma = [x[..., 0] - x[..., 2] for x in (made, content * 0.4 + 0.3)]
    inside = ((made > 0) & (made < 1)).all(axis=2)
    assert np.abs(chroma[0] - chroma[1])[inside].max() < 1e-3


def test_transparent_parts_stay_and_do_not_count(model, pictures, content):
    opacity = np.ones((33, 47), np.float32)
    opacity[:, 30:] = 0
    made = model.paint(content, pictures[1], opacity=opacity).image
    assert np.array_equal(made[:, 30:], np.clip(content[:, 30:], 0, 1))


def test_half_precision_stays_near(model, vgg, pictures, content):
    assert "bf16" in model.painter.method.precisions
    half = impasto.load(model.name, vgg=vgg, engine="cpu", precision="bf16")
    half = half.with_settings(options=model.painter.options)
    one, two = (each.paint(content, pictures[1]).image for each in (model, half))
    assert 0 < np.abs(one - two).mean() < 0.03


def test_what_it_cannot_do_is_refused(model, vgg, pictures, content):
    can, name = model.limits, model.name
    style = pictures[1]
    with pytest.raises(OptionError, match="alpha"):
        model.paint(content, style, Controls(alpha=can.alpha[1] + 0.5))
    ramp = np.tile(np.linspace(0, 1, 47, dtype=np.float32), (33, 1))
    if can.alpha_map:
        made = model.paint(content, style, Controls(alpha=ramp)).image
        assert np.array_equal(made[:, 0], np.clip(content[:, 0], 0, 1))
    else:
        with pytest.raises(OptionError, match="place to place"):
            model.paint(content, style, Controls(alpha=ramp))
    with pytest.raises(OptionError, match="statistics"):
        model.paint(content, style, Controls(statistics="image"))
    with pytest.raises(StyleError, match="picture"):
        model.style(style)
    kept = Style("wave", "0" * 16, (Moments(np.zeros(1), np.ones(1)),))
    with pytest.raises(StyleError, match="picture"):
        model.paint(content, kept)
    with pytest.raises(StyleError, match="munch-scream"):
        model.stylize(content, "munch-scream")
    with pytest.raises(OptionError, match="did you mean 'steps'"):
        model.with_settings(options={"stepz": 3})
    with pytest.raises(OptionError, match="did you mean 'steps'"):
        model.stylize(content, "munch-scream", stepz=3)
    with pytest.raises(OptionError, match="steps"):
        model.with_settings(steps=2.5)
    with pytest.raises(OptionError, match="table by name, not a list"):
        model.with_settings(options=["steps"])
    with pytest.raises(ModelError, match="no card"):
        _ = model.card
    for bad in ({"steps": 0}, {"optimizer": "sgd"}):
        with pytest.raises(OptionError, match=next(iter(bad))):
            model.with_settings(options=bad).paint(content, style)
    with pytest.raises(OptionError, match="precision"):
        impasto.load(name, vgg=vgg, precision="fp8")
    with pytest.raises(EngineError, match="onnxruntime"):
        impasto.load(name, vgg=vgg, engine="onnxruntime")
    with pytest.raises(ModelError, match=r"relu4_1.*range"):
        layer = {"layer": "relu4_1"} if name == "style-swap" else {"style_layers": "relu4_1"}
        model.with_settings(options=layer).paint(content, style)


def test_files_are_painted_as_a_whole(model, pictures, tmp_path):
    names = [tmp_path / name for name in ("content.png", "style.png", "made.png")]
    for photo, name in zip(pictures, names[:2], strict=False):
        write_image(photo.image[:33, :36], name)
    seen = []
    read = ReadOptions(size=20)
    written = model.stylize_file(names[0], names[2], names[1], read=read, watch=seen.append)
    wanted = model.stylize(names[0], names[1], size=20)
    assert np.array_equal(np.asarray(Image.open(names[2])), np.asarray(wanted))
    assert (written.width, written.height, written.tile) == (22, 20, None) and len(seen) == 4
    with pytest.raises(ImpastoError, match="exists"):
        model.stylize_file(names[0], names[2], names[1])
    for bad in ({"tile": 64}, {"memory": 10**9}):
        for call in (
            lambda **bad: model.paint(pictures[0].image, pictures[1], budget=Budget(**bad)),
            lambda **bad: model.stylize(names[0], names[1], **bad),
            lambda **bad: model.stylize_file(
                names[0], tmp_path / "no.png", names[1], budget=Budget(**bad)
            ),
        ):
            with pytest.raises(OptionError, match=f"whole.*leave {next(iter(bad))} out"):
                call(**bad)
    assert not (tmp_path / "no.png").exists()


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9e12 bytes")]
)
def test_scarce_memory_is_told_with_the_size(model, pictures, content, error):
    def watch(progress):
        raise error

    with pytest.raises(EngineError, match=r"47 x 33.*smaller size"):
        model.paint(content, pictures[1], watch=watch)
    error = RuntimeError("something else")
    with pytest.raises(RuntimeError, match="something else"):
        model.paint(content, pictures[1], watch=watch)


def test_a_photograph_that_was_encoded_is_painted_the_same(model, pictures, content):
    encoded = model.encode(content)
    one, two = (model.paint(each, pictures[1]).image for each in (encoded, content))
    assert np.array_equal(one, two)


def test_a_run_that_was_stopped_goes_on(model, pictures, content, tmp_path):
    file = tmp_path / "run.pt"
    whole = model.with_settings(steps=6).paint(content, pictures[1]).image
    stopped = (
        model.with_settings(steps=6, checkpoint=file)
        .paint(content, pictures[1], watch=lambda progress: progress.step == 4)
        .image
    )
    assert file.exists() and not np.array_equal(stopped, whole)
    resumed = model.with_settings(steps=6, checkpoint=file).paint(content, pictures[1]).image
    assert np.array_equal(resumed, whole)
    again = (
        model.with_settings(steps=6, checkpoint=file).paint(content, pictures[1]).image
    )  # nothing is left
    assert np.array_equal(again, whole)
    with pytest.raises(OptionError, match="other pictures or options"):
        model.with_settings(steps=6, checkpoint=file).paint(content, pictures[2])
    file.write_bytes(b"spoiled")
    with pytest.raises(ModelError, match="not a kept run"):
        model.with_settings(steps=6, checkpoint=file).paint(content, pictures[1])


def test_an_interrupt_leaves_the_run(model, pictures, content, tmp_path):
    def interrupt(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    file = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        model.with_settings(steps=6, checkpoint=file).paint(content, pictures[1], watch=interrupt)
    whole, resumed = (
        model.with_settings(steps=6, checkpoint=path).paint(content, pictures[1]).image
        for path in (None, file)
    )
    assert np.array_equal(whole, resumed)


def test_the_yardstick_takes_it(model, vgg, pictures, content, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("IMPASTO_VGG", raising=False)
    from impasto.lab.evaluate.painters import JudgedMethod, open_painters
    from impasto.lab.evaluate.pairs import Look, Pair

    name = model.name
    (opened,) = open_painters([name], vgg=vgg)
    assert opened.label == name and isinstance(opened, JudgedMethod)
    painter = JudgedMethod(model, name)
    look = Look(Pair(Path("content.png"), Path("style.png")), content, pictures[1].image)
    made = painter.paint(look)
    assert np.array_equal(made.raw, model.paint(content, pictures[1]).image)
    assert made.unaligned is None and made.clipped and made.seconds > 0
    assert painter.paint(look) is made  # a sheet does not paint it again
    with pytest.raises(OptionError, match="twice"):
        open_painters([name, name], vgg=vgg)
    plain, short = open_painters([name, f"{name}:steps=7,seed=3"], vgg=vgg)
    assert short.label == f"{name}:steps=7,seed=3" and short.identity != plain.identity
    found = short.stylizer.painter.options
    assert (found.steps, found.seed) == (7, 3)
    if name != "style-swap":
        (deep,) = open_painters([f"{name}:style_layers=relu1_1,relu2_1:0.5,steps=9"], vgg=vgg)
        found = deep.stylizer.painter.options
        assert (found.style_layers, found.steps) == ({"relu1_1": 1.0, "relu2_1": 0.5}, 9)
    with pytest.raises(OptionError, match="did you mean 'steps'"):
        open_painters([f"{name}:stepz=7"], vgg=vgg)


# --- the parts


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_descent_finds_the_bottom_of_a_valley(optimizer):
    goal = torch.linspace(0.1, 0.9, 3 * 64).reshape(1, 3, 8, 8)
    steep = torch.logspace(0, 2, 3 * 64).reshape(1, 3, 8, 8)

    def objective(image, step):
        return {"distance": (steep * (image - goal).square()).mean()}

    found = descend(
        torch.full((1, 3, 8, 8), 0.5),
        [Stage((8, 8), 150, lambda _: objective)],
        optimizer=optimizer,
    )
    assert (found - goal).abs().max() < 0.01


def test_descent_survives_a_cliff():
    def objective(image, step):
        return {"wall": (1e3 * (image - 0.5).abs().clamp(max=0.2) ** 0.5 - image).mean()}

    found = descend(torch.full((1, 3, 4, 4), 0.61), [Stage((4, 4), 40, lambda _: objective)])
    assert torch.isfinite(found).all()


def test_coarse_to_fine_enlarges_between_the_stages():
    sizes = []

    def stage(size):
        def objective(image, step):
            sizes.append(tuple(image.shape[2:]))
            return {"mean": image.square().mean()}

        return Stage(size, 2, lambda _: objective)

    stages = [stage(halved((64, 96), n, multiple=16)) for n in (1, 0)]
    found = descend(torch.ones(1, 3, 64, 96), stages)
    assert sizes == [(32, 48)] * 2 + [(64, 96)] * 2 and found.shape == (1, 3, 64, 96)


def test_settings_are_read_by_their_type():
    from impasto.lab.methods.gatys import Gatys

    made = set_options(Gatys(), {"steps": "20", "tv": "1e-3", "style_layers": "relu1_1:2,relu3_1"})
    assert (made.steps, made.tv) == (20, 1e-3)
    assert made.style_layers == {"relu1_1": 2.0, "relu3_1": 1.0}
    with pytest.raises(OptionError, match="tv"):
        set_options(Gatys(), {"tv": "much"})


def test_gatys_in_the_units_of_the_paper(vgg, pictures, content):
    """Its losses at the first step are eqs. 1 and 4 by the letter."""
    from impasto.lab.methods import gatys
    from impasto.lab.nets.vgg import load_vgg
    from impasto.lab.optimize.method import Run, Task

    network = load_vgg(vgg)
    image, style, start = (
        torch.from_numpy(each.image[:32, :32]).permute(2, 0, 1)[None] for each in pictures
    )
    options = set_options(
        gatys.Gatys(),
        {
            "units": "paper",
            "pooling": "max",  # as the network below sees
            "content_layers": "relu2_1",
            "style_layers": "relu1_1:0.3",
            "steps": 1,
            "content_weight": 2,
            "style_weight": 5,
        },
    )
    seen = []
    task = Task(image, (style,), (None,), torch.ones(1), start)
    gatys.paint(task, options, network, Run(seen.append))
    layers = ["relu1_1", "relu2_1"]
    got, kept, taken = (network(each, layers) for each in (start, image, style))
    f, a = (each["relu1_1"][0].flatten(1).double() for each in (got, taken))
    n, m = f.shape
    style_loss = ((f @ f.T - a @ a.T) ** 2).sum() / (4 * n**2 * m**2)
    content_loss = 0.5 * (got["relu2_1"] - kept["relu2_1"]).double().square().sum()
    assert seen[0].losses["style"] == pytest.approx(5 * 0.3 * style_loss.item(), rel=1e-4)
    assert seen[0].losses["content"] == pytest.approx(2 * content_loss.item(), rel=1e-4)


def test_style_swap_of_the_content_itself_changes_nothing(vgg, pictures):
    from impasto.lab.methods.style_swap import StyleSwap, swapped
    from impasto.lab.nets.vgg import load_vgg
    from impasto.lab.optimize.method import Task

    network = load_vgg(vgg)
    image = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    task = Task(image, (image,), (None,), torch.ones(1))
    found = swapped(task, StyleSwap(layer="relu2_1", chunk_mb=1), network)
    wanted = network(image, ["relu2_1"])["relu2_1"]
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_cnnmrf_turns_and_hides():
    from impasto.lab.methods.cnnmrf import _rotated

    image = torch.rand(1, 3, 24, 40)
    turned, inside = _rotated(image, None, 180.0)
    assert torch.allclose(turned, image.flip(2, 3), atol=1e-5) and inside.min() > 0.99
    _, inside = _rotated(image, None, 30.0)
    assert inside[0, 0] == 0 and inside[12, 20] == 1
    square = torch.rand(1, 3, 24, 24)
    quarter = _rotated(square, None, 90.0)[0]
    assert any(torch.allclose(quarter, square.rot90(k, (2, 3)), atol=1e-4) for k in (1, -1))


# --- the door


def test_without_pytorch_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import impasto\n"
        "try: impasto.load('gatys')\n"
        "except impasto.ImpastoError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "impasto[lab]" in run.stdout


def test_a_bundle_wants_no_vgg_and_a_method_has_no_bundle(vgg):
    from impasto.models import find_bundle

    with pytest.raises(OptionError, match="leave vgg out"):
        impasto.load("fast", vgg=vgg)
    with pytest.raises(ModelError, match="is a method without a bundle"):
        find_bundle("gatys")
