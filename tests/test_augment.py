"""Style as an augmentation: every kind of picture and sample, workers, seeds, refusals."""

from __future__ import annotations

import collections
import copy
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from augment_worker import Same
from conftest import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import impasto
from impasto.augment import Stylize
from impasto.controls import Controls
from impasto.errors import EngineError, ImageError, ModelError, OptionError, StyleError
from impasto.painting.objects import painter_of
from impasto.styles.library import list_styles
from impasto.stylizer import Stylizer

ROOT = Path(__file__).parents[1]
STYLE = picture(32, 32, seed=1)


@pytest.fixture(scope="module")
def always(tiny_path: Path) -> Stylize:
    """Paints every picture, with one style and one strength."""
    return Stylize(p=1, alpha=0.75, styles=Image.fromarray(bytes_of(STYLE)), model=tiny_path)


@pytest.fixture(scope="module")
def expected(tiny_path: Path) -> Any:
    """The same by another way: the front door, with the same style and strength."""
    model = impasto.load(tiny_path, engine="onnxruntime", precision="fp32", threads=1)
    style = model.style(bytes_of(STYLE))

    def paint(image: np.ndarray, opacity: np.ndarray | None = None) -> np.ndarray:
        found: np.ndarray = model.paint(image, style, Controls(alpha=0.75), opacity=opacity).image
        return found

    return paint


def bytes_of(image: np.ndarray) -> np.ndarray:
    return np.asarray((image * 255).round(), np.uint8)


# --- pictures


def test_a_pillow_image(always: Stylize, expected: Any) -> None:
    image = Image.fromarray(bytes_of(picture(30, 22)))
    image.info["dpi"] = (72, 72)
    image.getexif()[0x0112] = 6  # as a camera on its side: its pixels stay where they are
    made = always(image)
    wanted = expected(np.asarray(image, np.float32) / 255)
    assert made.mode == "RGB" and made.size == (22, 30) and made.info["dpi"] == (72, 72)
    assert np.abs(np.asarray(made) / 255.0 - wanted).max() <= 0.5 / 255 + 1e-6
    assert np.array_equal(np.asarray(image), bytes_of(picture(30, 22))), "its own pixels stay"


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_modes_of_pillow(always: Stylize, mode: str) -> None:
    image = Image.fromarray(bytes_of(picture(24, 20))).convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize((20, 24)))
    made = always(image)
    assert (made.mode, made.size) == (mode, (20, 24))
    assert not np.array_equal(np.asarray(made), np.asarray(image))
    if "A" in mode:
        assert made.getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("mode", ["1", "P", "I", "F", "I;16"])
def test_modes_that_may_be_masks(always: Stylize, mode: str) -> None:
    with pytest.raises(ImageError, match=rf"mode {mode} .*convert\('RGB'\)"):
        always(Image.new(mode, (20, 20)))


DTYPES = ("uint8", "uint16", "float16", "float32", "float64")


@st.composite
def arrays(draw: st.DrawFn) -> tuple[np.ndarray, str]:
    """An array of one or several pictures, and the order of its axes."""
    height, width = draw(st.integers(16, 40)), draw(st.integers(16, 40))
    channels = draw(st.sampled_from((0, 1, 3, 4)))
    axes = draw(st.sampled_from(("HWC", "CHW"))) if channels else "HW"
    before = draw(st.sampled_from(((), (1,), (2,), (2, 2)))) if channels else ()
    count = int(np.prod(before, dtype=int))
    planes = np.stack([picture(height, width, seed=draw(st.integers(0, 9))) for _ in range(count)])
    planes = np.concatenate([planes, planes[..., :1] > 0.4], axis=3)[..., : channels or 1]
    if not channels:
        planes = planes[0, ..., 0]
    elif axes == "CHW":
        planes = planes.transpose(0, 3, 1, 2)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    if dtype.kind == "u":
        planes = planes * np.iinfo(dtype).max
    array = planes.astype(dtype).reshape(*before, *(planes.shape[1:] if channels else planes.shape))
    if draw(st.booleans()):  # not in one piece
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    return array, axes


def check(made: np.ndarray, array: np.ndarray, axes: str, expected: Any) -> None:
    """Compare pictures with what the front door makes of each, within a step of their numbers."""
    white = np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1
    step = {"uint8": 1 / 255, "uint16": 2e-4, "float16": 2e-3}.get(array.dtype.name, 1e-5)
    assert made.shape == array.shape and made.dtype == array.dtype
    shape = array.shape if axes == "HW" else (-1, *array.shape[-3:])
    for one, two in zip(*(x.reshape(1, *shape) if axes == "HW" else x.reshape(shape)
                          for x in (made, array)), strict=True):  # fmt: skip
        if axes == "HW":
            one, two = one[..., None], two[..., None]
        if axes == "CHW":
            one, two = one.transpose(1, 2, 0), two.transpose(1, 2, 0)
        one, two = (x.astype(np.float64) / white for x in (one, two))
        opacity = two[..., 3].astype(np.float32) if two.shape[2] == 4 else None
        color = (two if two.shape[2] == 1 else two[..., :3]).repeat(
            3 if two.shape[2] == 1 else 1, 2
        )
        wanted = expected(color.astype(np.float32), opacity)
        if opacity is not None:
            assert np.array_equal(one[..., 3], two[..., 3])
        if one.shape[2] == 1:
            wanted = (wanted @ np.array([0.2126, 0.7152, 0.0722]))[..., None]
        assert np.abs(one[..., :3] - wanted).max() <= step


@settings(max_examples=40, deadline=None)
@given(case=arrays())
def test_arrays_of_every_kind(case: tuple[np.ndarray, str], always: Stylize, expected: Any) -> None:
    array, axes = case
    before = array.copy()
    made = always(array)
    assert isinstance(made, np.ndarray)
    check(made, array, axes, expected)
    assert np.array_equal(array, before), "what was given stays as it is"


@settings(max_examples=40, deadline=None)
@given(case=arrays())
def test_tensors_of_every_kind(
    case: tuple[np.ndarray, str], always: Stylize, expected: Any
) -> None:
    torch = pytest.importorskip("torch")
    array, axes = case
    tensor = torch.from_numpy(array.copy())
    before = tensor.clone()
    made = always(tensor)
    assert (
        type(made) is torch.Tensor and made.dtype == tensor.dtype and made.device == tensor.device
    )
    check(made.numpy(), array, axes, expected)
    assert torch.equal(tensor, before)


def test_tensors_keep_their_order_in_memory_and_lose_their_gradient(always: Stylize) -> None:
    torch = pytest.importorskip("torch")
    batch = torch.rand(2, 3, 20, 24).to(memory_format=torch.channels_last).requires_grad_()
    made = always(batch)
    assert made.is_contiguous(memory_format=torch.channels_last) and not made.requires_grad
    half = always(batch.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    assert (half.float() - made).abs().max() < 0.05


def test_a_shape_that_could_be_either(always: Stylize, tiny_path: Path) -> None:
    torch = pytest.importorskip("torch")
    ramp = np.linspace(0, 255, 3 * 40 * 3).astype(np.uint8)
    either = ramp.reshape(3, 40, 3)
    # Channels last would be a picture of 3 rows.
    with pytest.raises(ImageError, match="40 x 3 pixels is too small"):
        always(either)
    tall = np.repeat(picture(40, 20)[..., :1], 3, axis=2).transpose(2, 0, 1)[..., :3]
    assert tall.shape == (3, 40, 3)
    with pytest.raises(ImageError, match="3 x 40 pixels is too small"):
        always(torch.from_numpy(tall.copy()))
    styles = always.styles
    batch = bytes_of(np.stack([picture(16, 20), picture(16, 20, seed=3)]))[..., :3]
    last = Stylize(1, 0.75, styles, model=tiny_path, layout="HWC")
    assert np.array_equal(last(torch.from_numpy(batch)).numpy(), always(batch))
    # Four rows of 16 x 16 pixels, or 16 rows of 4 channels: the order decides.
    square = np.zeros((4, 16, 16, 4), np.uint8)
    assert always(square).shape == square.shape
    with pytest.raises(ImageError, match="not a picture of layout CHW"):
        Stylize(1, 1.0, styles, model=tiny_path, layout="CHW")(square)


def test_what_is_no_picture_is_refused(always: Stylize) -> None:
    torch = pytest.importorskip("torch")
    for bad, words in (
        (torch.rand(3, 20, 20) * 4 - 2, "within .0, 1.; scale them"),
        (picture(20, 20) * 255, "within .0, 1.; scale them"),
        (np.full((20, 20, 3), np.nan), "NaN"),
        (np.zeros((8, 8, 3)), "8 x 8 pixels is too small"),
        (np.zeros((20, 20, 7)), "1, 3 or 4 channels"),
        (np.zeros((20, 20, 3), bool), "bool"),
        (np.zeros((0, 20, 20, 3)), "contains no picture"),
        (np.zeros(3), "contains no picture"),
        (np.ma.zeros((20, 20, 3)), "masked array"),
        (torch.zeros(3, 20, 20, dtype=torch.int64), "does not define white"),
        (torch.zeros(3, 20, 20, dtype=torch.complex64), "complex"),
        (torch.zeros(3, 20).to_sparse(), "sparse"),
        ("street.jpg", "a str is not a picture"),
        (None, "a NoneType is not a picture"),
        ((1, "a"), "the sample contains no picture .contents: int, str"),
        ({}, "the sample contains no picture .contents: nothing"),
    ):
        with pytest.raises(ImageError, match=words):
            always(bad)
    with pytest.raises(OptionError, match="give a picture or a sample"):
        always()
    with pytest.raises(OptionError, match="give a picture or a sample"):
        always(np.zeros((20, 20, 3)), mask=None)


def test_values_of_another_range(always: Stylize, tiny_path: Path) -> None:
    transform = Stylize(1, 0.75, always.styles, model=tiny_path, value_range=(-1, 1))
    image = picture(20, 24)
    made = transform(image * 2 - 1)
    assert made.dtype == np.float32 and np.abs((made + 1) / 2 - always(image)).max() < 1e-5


# --- samples


Pair = collections.namedtuple("Pair", "image target")


def painted(made: Any, given: Any) -> bool:
    """True for another picture of the same kind, False for the same object; else it fails."""
    if made is given:
        return False
    assert type(made) is type(given) and not np.array_equal(np.asarray(made), np.asarray(given))
    return True


def test_the_picture_of_a_sample_is_painted_and_nothing_else(always: Stylize) -> None:
    image, mask = Image.fromarray(bytes_of(picture(20, 20))), Image.new("L", (20, 20), 255)
    boxes, label = np.array([[1, 2, 3, 4.0]]), 7
    for made in (
        always(image, mask, boxes, label),
        always((image, mask, boxes, label)),
        tuple(always([image, mask, boxes, label])),
    ):
        assert type(made) is tuple
        assert painted(made[0], image)
        assert made[1] is mask and made[2] is boxes and made[3] is label
    sample = collections.OrderedDict(label=label, mask=mask, image=image, more=[{"boxes": boxes}])
    found = always(sample)
    assert type(found) is collections.OrderedDict and list(found) == list(sample)
    assert painted(found["image"], image) and found["mask"] is mask
    assert found["more"][0]["boxes"] is boxes
    assert sample["image"] is image, "the sample itself stays as it is"
    pair = always(Pair(bytes_of(picture(20, 20)), {"boxes": boxes}))
    assert type(pair) is Pair and pair.target["boxes"] is boxes
    lists = {"boxes": [[1, 2], [3, 4]], "labels": (1, 2)}
    assert always(image, lists)[1] is lists


def test_names_as_albumentations_gives_them(always: Stylize) -> None:
    image, mask = bytes_of(picture(24, 20)), np.zeros((24, 20), np.uint8)
    made = always(mask=mask, bboxes=[(0, 0, 1, 1)], image=image, labels=["cat"])
    assert list(made) == ["mask", "bboxes", "image", "labels"]
    assert painted(made["image"], image) and made["mask"] is mask
    assert np.array_equal(made["image"], always(image))
    gray = always(image=mask, mask=mask)  # of two axes, and a picture by its name
    assert gray["image"].shape == (24, 20) and gray["mask"] is mask


def test_among_the_transforms_of_albumentations(always: Stylize) -> None:
    albumentations = pytest.importorskip("albumentations")
    image, mask = bytes_of(picture(24, 20)), np.zeros((24, 20), np.uint8)
    boxes = albumentations.BboxParams(format="pascal_voc", label_fields=["labels"])
    flip = albumentations.HorizontalFlip(p=1)
    compose = albumentations.Compose([always, flip], bbox_params=boxes)
    made = compose(image=image, mask=mask, bboxes=[(2, 3, 10, 12)], labels=["cat"])
    assert np.array_equal(made["image"], always(image)[:, ::-1])
    assert np.allclose(made["bboxes"], [(10, 3, 18, 12)]) and made["labels"] == ["cat"]


def test_tensors_of_a_sample(always: Stylize) -> None:
    torch = pytest.importorskip("torch")
    boxes, image = torch.rand(5, 4), torch.rand(3, 20, 20)
    made = always({"boxes": boxes, "pixels": image, "mask": torch.zeros(20, 20)})
    assert made["boxes"] is boxes and not torch.equal(made["pixels"], image)
    batch, labels = always([torch.rand(2, 3, 20, 20), torch.tensor([1, 2])])
    assert batch.shape == (2, 3, 20, 20) and labels.tolist() == [1, 2]


@pytest.fixture
def tv_tensors(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Types of tensors that are called and built as torchvision's are."""
    torch = pytest.importorskip("torch")
    module = types.ModuleType("torchvision.tv_tensors")
    base = type("TVTensor", (torch.Tensor,), {"__module__": "torchvision.tv_tensors._tv_tensor"})
    for name in ("Image", "Video", "Mask", "BoundingBoxes"):
        kind = type(name, (base,), {"__module__": f"torchvision.tv_tensors._{name.lower()}"})
        setattr(module, name, kind)
    return module


def test_types_of_torchvision(always: Stylize, tiny_path: Path, tv_tensors: Any) -> None:
    torch = pytest.importorskip("torch")
    left, right = (torch.rand(3, 20, 20).as_subclass(tv_tensors.Image) for _ in range(2))
    mask = torch.zeros(1, 20, 20, dtype=torch.uint8).as_subclass(tv_tensors.Mask)
    made = always({"mask": mask, "left": left, "right": right})
    assert made["mask"] is mask
    assert type(made["left"]) is type(made["right"]) is tv_tensors.Image
    assert not torch.equal(made["right"], right)
    with pytest.raises(ImageError, match="torchvision's type Mask"):
        always(mask)
    # Pictures of one sample and frames of one film share what was drawn, those of a batch do not.
    frame = torch.rand(3, 20, 20)
    film = frame.expand(6, 3, 20, 20).clone()
    transform = Stylize(1, (0.2, 1.0), always.styles, model=tiny_path, seed=1)
    calm = transform(film.as_subclass(tv_tensors.Video))
    assert all(torch.equal(calm[0], each) for each in calm)
    batch = transform(film)
    assert len({each.numpy().tobytes() for each in batch}) == 6
    same = frame.clone().as_subclass(tv_tensors.Image), frame.as_subclass(tv_tensors.Image)
    assert torch.equal(*transform(same))


# --- chance


class Recorded:
    """A stand-in for the model of a transform: notes what is drawn, and paints nothing."""

    def __init__(self) -> None:
        self.drawn: list[tuple[str, float]] = []

    def __call__(self) -> Recorded:
        return self

    def paint(self, image: Any, style: Any, controls: Controls, *, opacity: Any) -> Any:
        assert isinstance(controls.alpha, float)
        self.drawn.append((style.name, controls.alpha))
        return types.SimpleNamespace(image=image)


def draws(transform: Stylize, count: int = 1) -> list[tuple[str, float]]:
    """Styles and strengths of the next pictures."""
    recorded = Recorded()
    transform._model = recorded  # type: ignore[assignment]
    for _ in range(count):
        transform(np.zeros((16, 16, 3), np.uint8))
    return recorded.drawn


def test_shares_of_what_is_drawn() -> None:
    transform = Stylize(seed=3)
    found = draws(transform, 4000)
    assert abs(len(found) / 4000 - 0.5) < 0.03  # four deviations
    strengths = np.array([alpha for _, alpha in found])
    assert strengths.min() >= 0.2 and strengths.max() <= 1
    assert abs(strengths.mean() - 0.6) < 4 * 0.8 / np.sqrt(12 * len(found))
    counts = collections.Counter(name for name, _ in found)
    names = {style.name for style in transform.styles}
    assert set(counts) == names and len(names) > 40
    assert max(counts.values()) < 2.5 * len(found) / len(names)
    assert draws(Stylize(p=0), 50) == []
    assert {alpha for _, alpha in draws(Stylize(p=1, alpha=0.5), 50)} == {0.5}


def test_what_is_not_drawn_stays_the_same_object() -> None:
    never, sample = Stylize(p=0), [np.zeros((16, 16, 3), np.uint8), 1]
    assert never(sample) is sample
    image = Image.new("RGB", (16, 16))
    assert never(image) is image


def test_pictures_of_a_batch_are_drawn_for_one_by_one(always: Stylize, tiny_path: Path) -> None:
    transform = Stylize(0.5, 1.0, always.styles, model=tiny_path, seed=1)
    batch = np.stack([bytes_of(picture(16, 20))] * 40)
    made = transform(batch)
    same = [np.array_equal(one, batch[0]) for one in made]
    assert 10 < sum(same) < 30


def test_a_seed_repeats() -> None:
    assert draws(Stylize(seed=1), 20) == draws(Stylize(seed=1), 20) != draws(Stylize(seed=2), 20)
    # The stream is its own: it takes nothing from others, and depends on none.
    transform, before = Stylize(seed=1), random.getstate()
    first = draws(transform, 10)
    assert random.getstate() == before
    assert draws(Stylize(seed=1), 20) == first + draws(transform, 10)
    assert draws(copy.deepcopy(Stylize(seed=1)), 10) == first


def test_the_global_generator_repeats() -> None:
    torch = pytest.importorskip("torch")
    transform, found = Stylize(), []
    for _ in range(2):
        torch.manual_seed(5)
        found.append(draws(transform, 20))
    assert found[0] == found[1] != draws(transform, 20)


def test_without_pytorch(tmp_path: Path) -> None:
    """The studio loads none, and draws from ``random``."""
    code = (
        "import sys, random, numpy as np, impasto\n"
        "assert 'impasto.augment' not in sys.modules and 'augment' in dir(impasto)\n"
        "transform, found = impasto.augment.Stylize(p=1), []\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "for _ in range(2):\n"
        "    random.seed(4)\n"
        "    found.append(transform(np.full((32, 32, 3), 99, np.uint8)).tobytes())\n"
        "assert found[0] == found[1] != transform(np.full((32, 32, 3), 99, np.uint8)).tobytes()\n"
        "assert 'torch' not in sys.modules and 'onnxruntime' in sys.modules\n"
    )
    source = str(Path(impasto.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)


# --- workers


def epoch(transform: Stylize, context: str = "fork") -> list[bytes]:
    """The pictures of one pass over a data set, which is one picture again and again."""
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        Same(transform, picture(16, 20), 12),  # type: ignore[arg-type]
        batch_size=3,
        num_workers=2,
        multiprocessing_context=context,
    )
    return [one.numpy().tobytes() for batch in loader for one in batch]


@pytest.mark.parametrize("seed", [None, 1])
def test_workers_differ_and_a_seed_repeats(
    always: Stylize, tiny_path: Path, seed: int | None
) -> None:
    torch = pytest.importorskip("torch")
    transform = Stylize(1, (0.2, 1.0), always.styles, model=tiny_path, seed=seed)
    transform(picture(16, 20))  # opened here: forked workers open it again
    epochs = []
    for seeded in (True, True, False):
        if seeded:
            torch.manual_seed(7)
        epochs.append(epoch(transform))
        assert len(set(epochs[-1])) == 12, "no picture of one worker is one of the other's"
    first, again, later = epochs
    assert first == again and not set(first) & set(later)
    if seed is None:  # spawned workers, which get the transform pickled, make the same
        torch.manual_seed(7)
        assert epoch(transform, "spawn") == first


def test_other_processes_have_streams_of_their_own(always: Stylize, tiny_path: Path) -> None:
    transform = Stylize(1, (0.2, 1.0), always.styles, model=tiny_path, seed=1)
    here = transform(bytes_of(picture(16, 20))).tobytes()
    context = multiprocessing.get_context("fork")
    found = []
    for name in ("one", "two", "one"):
        ours, theirs = context.Pipe()
        process = context.Process(target=_send, args=(transform, theirs), name=name)
        process.start()
        found.append(ours.recv_bytes())
        process.join(60)
        assert process.exitcode == 0
    assert found[0] == found[2] and len({here, *found}) == 3


def _send(transform: Stylize, to: Any) -> None:
    to.send_bytes(transform(bytes_of(picture(16, 20))).tobytes())


def test_it_is_pickled_small_and_unopened() -> None:
    transform = Stylize(p=1, alpha=0.5, styles=["munch-scream", "monet-*"], seed=1)
    assert len(transform.styles) > 1
    image = bytes_of(picture(32, 32))
    made = transform(image)
    data = pickle.dumps(transform)
    again = pickle.loads(data)
    assert len(data) < 50_000 and again._model._opened is None
    assert np.array_equal(again(image), made), "a copy begins its stream anew"
    gallery = Stylize()
    assert len(pickle.dumps(gallery)) < 5_000 * len(gallery.styles)


# --- styles, models and options


def test_styles_of_every_kind(tiny_path: Path, tmp_path: Path, always: Stylize) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(2):
        Image.fromarray(bytes_of(picture(24, 24, seed=i))).save(pictures / f"{i}.png")
    impasto.save_style(always.styles[0], tmp_path / "kept.safetensors")
    styles = [
        pictures,
        tmp_path / "kept.safetensors",
        bytes_of(STYLE),
        always.styles[0],
        str(pictures / "*"),
    ]
    found = Stylize(styles=styles, model=tiny_path).styles
    assert len(found) == 2 + 1 + 1 + 1 + 2
    assert found[0] == found[5] != found[1] == found[6]
    own = always.styles[0].moments[0].mean
    assert all(np.array_equal(found[i].moments[0].mean, own) == (i in (2, 3, 4)) for i in range(7))
    names = [each.name for each in list_styles(model=Stylize().styles[0].model, own=False)]
    assert [style.name for style in Stylize().styles] == names
    assert all(style.thumbnail is None for style in Stylize().styles)


def test_a_loaded_model_and_its_colors(always: Stylize, tiny_path: Path) -> None:
    model = impasto.load(tiny_path, engine="onnxruntime", precision="fp32")
    image = picture(24, 24)
    assert np.array_equal(Stylize(1, 0.75, always.styles, model=model)(image), always(image))
    luminance = Stylize(1, 0.75, always.styles, model=tiny_path, color="luminance")(image)
    wanted = model.stylize(image, always.styles[0], alpha=0.75, color="luminance")
    assert (
        np.abs(luminance - wanted).max() < 1e-5 and np.abs(luminance - always(image)).max() > 0.01
    )


def test_a_loaded_model_is_opened_again_in_a_forked_process(
    always: Stylize, tiny_path: Path
) -> None:
    model = impasto.load(tiny_path, engine="onnxruntime", precision="fp32", threads=1)
    transform = Stylize(1, 0.75, always.styles, model=model)
    assert transform._model() is model
    ours, theirs = multiprocessing.get_context("fork").Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=lambda: theirs.send((transform._model() is model, transform(picture(16, 20))))
    )
    process.start()
    same, made = ours.recv()
    process.join(60)
    assert not same and np.array_equal(made, always(picture(16, 20)))


def test_styles_that_are_built_in() -> None:
    path = ROOT / "trained" / "stylebank-5.impasto"
    transform = Stylize(1, 1.0, model=path, seed=1)
    names = [style.name for style in transform.styles]
    assert names == ["night_sky", "pointillism", "stained_glass", "wave", "watercolor"]
    only = Stylize(1, 1.0, "wave", model=path)
    image = bytes_of(picture(64, 64))
    wanted = impasto.load(path, engine="onnxruntime").stylize(image, "wave")
    assert np.abs(only(image).astype(int) - wanted.astype(int)).max() <= 1


def test_a_model_that_keeps_no_styles() -> None:
    class Mirror:
        """An object that paints pictures its own way."""

        def stylize(self, content: Any, style: Any) -> Any:
            return content[:, ::-1]

    painter = painter_of(Mirror(), "mirror")
    with pytest.raises(OptionError, match="mirror cannot store styles"):
        Stylize(model=Stylizer(painter))


def test_a_relative_model_in_another_folder(
    always: Stylize, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_path.parent)
    transform = Stylize(1, 0.75, always.styles, model=tiny_path.name)
    monkeypatch.chdir(tmp_path)
    image = bytes_of(picture(24, 24))
    assert np.array_equal(pickle.loads(pickle.dumps(transform))(image), always(image))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"p": 1.5}, OptionError, "p must be a probability in .0, 1., not 1.5"),
        ({"p": True}, OptionError, "p must be a number"),
        ({"p": float("nan")}, OptionError, "p must be a probability"),
        ({"alpha": (1, 0.2)}, OptionError, "the lowest before the highest"),
        ({"alpha": 3}, OptionError, r"alpha must be in \[0, 2\]"),
        ({"alpha": (0, 1, 2)}, OptionError, "a pair .lowest, highest."),
        ({"alpha": ("a", 1)}, OptionError, "alpha must be a number"),
        ({"styles": []}, OptionError, "styles is empty"),
        ({"styles": "no-such-style"}, StyleError, "there is no style 'no-such-style'"),
        ({"styles": "zz-*"}, StyleError, "matches no style"),
        ({"styles": Path("nowhere.jpg")}, ImageError, "nowhere.jpg"),
        ({"model": "fasst"}, ModelError, "did you mean 'fast'"),
        ({"model": "gatys"}, ModelError, "gatys"),
        ({"color": "cholesky"}, OptionError, "use 'luminance'"),
        ({"color": "blue"}, OptionError, "blue"),
        ({"layout": "NCHW"}, OptionError, "layout must be 'HWC' or 'CHW', or None, not 'NCHW'"),
        ({"value_range": (1, 0)}, OptionError, "two numbers"),
        ({"seed": 1.5}, OptionError, "seed must be a whole number or None, not 1.5"),
    ],
)  # fmt: skip
def test_options_that_are_refused(options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as found:
        Stylize(**options)
    assert "\n" not in str(found.value)


def test_a_style_of_another_model_and_no_gallery(always: Stylize, tiny_path: Path) -> None:
    with pytest.raises(StyleError, match="was made"):
        Stylize(styles=always.styles, model="fast")
    with pytest.raises(StyleError, match="model 'tiny' has no gallery; give styles="):
        Stylize(model=tiny_path)


def test_a_model_that_was_replaced(always: Stylize, tmp_path: Path, tiny_path: Path) -> None:
    path = tmp_path / "mine.impasto"
    path.write_bytes(tiny_path.read_bytes())
    transform = pickle.loads(pickle.dumps(Stylize(1, 1.0, always.styles, model=path)))
    path.write_bytes(b"")
    with pytest.raises((ModelError, EngineError)):
        transform(bytes_of(picture(16, 16)))
