"""The nodes for ComfyUI: what they paint, what they keep, and how they are registered.

ComfyUI is no package, so a stub of what it publishes takes its place. Where ``IMPASTO_COMFYUI``
names the folder of its sources (and their small requirements are installed), the nodes and the
workflows also run in its own executor.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import comfyui_stub
import numpy as np
import pytest
from comfyui_workflows import CORE, NOTES, PACK, WORKFLOWS, prompt_of, read

import impasto
from impasto import Controls
from impasto.models import ENGINES
from impasto.models.engine import GraphEngine

torch = pytest.importorskip("torch")

HERE = Path(__file__).parent
PHOTO = HERE.parent / "examples" / "photos" / "rocket.jpg"
PAINTING = HERE.parent / "examples" / "styles" / "wave.jpg"
OPTIONS = {
    "strength": 1.0,
    "mask_is": "where",
    "color": "of the style",
    "coarse": 1.0,
    "size": 0,
    "steady": "off",
}


def load_pack(comfy: comfyui_stub.Comfy, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the pack, as ComfyUI's loader does."""
    for name in [name for name in sys.modules if name.split(".")[0] in ("comfy", "comfy_api")]:
        monkeypatch.delitem(sys.modules, name)  # of another ComfyUI
    for name, module in comfy.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    name = f"custom_nodes_impasto_{id(comfy)}"
    spec = importlib.util.spec_from_file_location(name, PACK / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


class Nodes:
    """The nodes in the stub, to be called by their ids."""

    def __init__(self, comfy: comfyui_stub.Comfy, pack: ModuleType) -> None:
        self.comfy, self.pack = comfy, pack
        self.classes = comfyui_stub.node_classes(pack)

    def __call__(self, kind: str, **inputs: Any) -> Any:
        (result,) = self.classes[kind].execute(**inputs).result
        return result

    @cache  # noqa: B019 - the nodes live as long as the tests
    def model(self, name: str = "fast") -> Any:
        return self("Impasto_Model", model=name, engine="onnxruntime", precision="automatic")

    def style(self, gallery: str = "munch-scream", **inputs: Any) -> Any:
        return self("Impasto_Style", **{"gallery": gallery, "own": "", "size": 512, **inputs})

    def stylize(self, images: Any, style: Any, **options: Any) -> Any:
        return self("Impasto_Stylize", images=images, style=style, **{**OPTIONS, **options})


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def nodes(patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    comfy = comfyui_stub.make(tmp_path_factory.mktemp("models"))
    return Nodes(comfy, load_pack(comfy, patch))


@pytest.fixture(scope="module")
def fast() -> impasto.Stylizer:
    return impasto.load("fast", engine="onnxruntime")


@pytest.fixture(scope="module")
def scream(nodes: Nodes) -> Any:
    return nodes.style(model=nodes.model())


def pan(count: int, height: int = 96, width: int = 128) -> Any:
    """Frames of a camera that moves over a photograph, (B, H, W, 3)."""
    image = impasto.read_photo(PHOTO).image
    return torch.from_numpy(
        np.stack([image[40 : 40 + height, 2 * i : 2 * i + width] for i in range(count)])
    )


def same(images: Any, arrays: list[np.ndarray[Any, Any]]) -> bool:
    return images.dtype == torch.float32 and np.array_equal(images.numpy(), np.stack(arrays))


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts what the encoder graph is given, by its height."""
    heights: list[int] = []
    whole: Callable[..., Any] = GraphEngine.encode

    def counted(self: GraphEngine, image: Any) -> Any:
        heights.append(image.shape[1])
        return whole(self, image)

    monkeypatch.setattr(GraphEngine, "encode", counted)
    return heights


def test_a_batch_is_its_images_one_by_one(
    nodes: Nodes, scream: Any, fast: impasto.Stylizer
) -> None:
    batch = pan(16, 64, 96)
    painted = nodes.stylize(batch, scream)
    assert same(painted, [fast.stylize(frame, "munch-scream") for frame in batch.numpy()])
    for number in (0, 7, 15):
        alone = nodes.stylize(batch[number : number + 1], scream)
        assert torch.equal(alone[0], painted[number])
    encoded = nodes("Impasto_Encode", images=batch[:3], size=0, model=nodes.model())
    assert torch.equal(nodes.stylize(encoded, scream), painted[:3])


@pytest.mark.long
def test_a_batch_of_large_images_is_its_images_one_by_one(
    nodes: Nodes, scream: Any, fast: impasto.Stylizer
) -> None:
    image = impasto.read_photo(PHOTO).image
    tall = np.vstack([image, image[::-1]])[:512]
    batch = torch.from_numpy(np.stack([np.roll(tall[:, :512], 8 * i, axis=1) for i in range(16)]))
    assert batch.shape == (16, 512, 512, 3)
    assert same(
        nodes.stylize(batch, scream),
        [fast.stylize(frame, "munch-scream") for frame in batch.numpy()],
    )


def test_a_changed_strength_encodes_nothing_again(
    nodes: Nodes, fast: impasto.Stylizer, encodings: list[int]
) -> None:
    photo = pan(3, 64, 64)
    prompt = quick(prompt_of(read(WORKFLOWS[-1]), types_of(nodes)))
    kinds = {each["class_type"]: each for each in prompt.values()}
    painted: list[Any] = []

    def run(kind: str, values: dict[str, Any]) -> tuple[Any, ...]:
        if kind == "LoadImage":
            return photo, torch.zeros(1, 64, 64)
        if kind == "SaveImage":
            painted.append(values["images"])
            return ()
        return tuple(nodes.classes[kind].execute(**values).result)

    execute = comfyui_stub.Executor(run)
    (last,) = [name for name, node in prompt.items() if node["class_type"] == "SaveImage"]
    execute(prompt, last)
    assert encodings == [encodings[0]] * 3
    execute.ran.clear()
    kinds["Impasto_Stylize"]["inputs"]["strength"] = 0.5
    execute(prompt, last)
    assert execute.ran == ["Impasto_Stylize", "SaveImage"]
    assert len(encodings) == 3
    expected = fast.stylize(
        photo[1].numpy(), ["munch-scream", "monet-waterlilies"], weights=[2, 1], alpha=0.5
    )
    assert np.array_equal(painted[1][1].numpy(), expected)
    assert not torch.equal(painted[0], painted[1])


def test_a_style_of_an_image_is_read_once_and_follows_colors(
    nodes: Nodes, fast: impasto.Stylizer, encodings: list[int]
) -> None:
    picture = impasto.read_photo(PAINTING).image
    photo = pan(1, 64, 64)
    style = nodes.style(image=torch.from_numpy(picture)[None], model=nodes.model(), size=64)
    encodings.clear()
    plain = nodes.stylize(photo, style)
    assert len(encodings) == 1  # the photograph alone
    array = photo[0].numpy()
    assert same(plain, [fast.stylize(array, picture, style_size=64)])
    for color in ("cholesky", "luminance", "only"):
        kept = nodes.stylize(photo, style, color=color)
        assert same(kept, [fast.stylize(array, picture, style_size=64, color=color)]), color


def test_strength_size_and_strokes_are_those_of_the_library(
    nodes: Nodes, scream: Any, fast: impasto.Stylizer
) -> None:
    photo = pan(2)
    painted = nodes.stylize(photo, scream, strength=0.7, coarse=2.0, size=64)
    expected = [
        fast.stylize(frame, "munch-scream", alpha=0.7, coarse=2.0, size=64)
        for frame in photo.numpy()
    ]
    assert same(painted, expected)
    assert painted.shape == (2, 64, 85, 3)
    encoded = nodes("Impasto_Encode", images=photo, size=64, model=nodes.model())
    assert torch.equal(nodes.stylize(encoded, scream, strength=0.7, coarse=2.0), painted)


def test_a_mask_says_where_or_how_strong(nodes: Nodes, scream: Any, fast: impasto.Stylizer) -> None:
    photo = pan(1)
    array = photo[0].numpy()
    mask = torch.zeros(1, 48, 64)
    mask[:, :, 32:] = 1
    mask[:, :, 24:32] = torch.linspace(0, 1, 8)
    plane = mask[0].numpy()
    where = nodes.stylize(photo, scream, mask=mask)
    assert same(where, [fast.stylize(array, "munch-scream", masks=[plane])])
    assert torch.equal(where[:, :, :40], photo[:, :, :40])  # the photograph itself
    strong = nodes.stylize(photo, scream, mask=mask, mask_is="strength", strength=0.5)
    assert same(strong, [fast.stylize(array, "munch-scream", alpha=plane * 0.5)])
    assert not torch.equal(strong, where)


def test_masks_move_with_a_film_and_may_be_empty_for_a_while(
    nodes: Nodes, scream: Any, fast: impasto.Stylizer
) -> None:
    batch = pan(3)
    masks = torch.zeros(3, 96, 128)
    masks[0, :, :64], masks[2, :, 64:] = 1, 1
    painted = nodes.stylize(batch, scream, mask=masks)
    for number in (0, 2):
        plane = masks[number].numpy()
        expected = fast.stylize(batch[number].numpy(), "munch-scream", masks=[plane])
        assert np.array_equal(painted[number].numpy(), expected)
    assert torch.equal(painted[1], batch[1])
    encoded = nodes("Impasto_Encode", images=batch, size=0, model=nodes.model())
    assert torch.equal(nodes.stylize(encoded, scream, mask=masks), painted)


def test_styles_mix_by_their_weights(nodes: Nodes, scream: Any, fast: impasto.Stylizer) -> None:
    photo = pan(1)
    names = ("munch-scream", "monet-waterlilies", "van-gogh-irises")
    first, second, third = (nodes.style(name, model=nodes.model()) for name in names)
    weights = {"weight_1": 3.0, "weight_2": 1.0, "weight_3": 1.0, "weight_4": 1.0}
    two = nodes("Impasto_Mix", style_1=first, style_2=second, **weights)
    assert same(
        nodes.stylize(photo, two),
        [fast.stylize(photo[0].numpy(), list(names[:2]), weights=[3, 1])],
    )
    nested = nodes("Impasto_Mix", style_1=two, style_2=third, **{**weights, "weight_1": 1.0})
    assert same(
        nodes.stylize(photo, nested),
        [fast.stylize(photo[0].numpy(), list(names), weights=[0.75, 0.25, 1])],
    )
    half = torch.zeros(1, 96, 128)
    half[..., 64:] = 1
    masked = nodes.stylize(photo, two, mask=half)
    assert torch.equal(masked[:, :, :64], photo[:, :, :64])
    assert (masked - photo)[:, :, 64:].abs().mean() > 0.03


def test_a_film_is_steadied(nodes: Nodes, scream: Any, fast: impasto.Stylizer) -> None:
    pytest.importorskip("av")
    rng = np.random.default_rng(5)
    still = pan(1).numpy()[0]
    noisy = np.stack([still + rng.normal(0, 0.02, still.shape) for _ in range(6)])
    batch = torch.from_numpy(noisy.clip(0, 1).astype(np.float32))
    light = nodes.stylize(batch, scream, steady="light")
    frames = impasto.stylize_frames(fast, list(batch.numpy()), "munch-scream", steady="light")
    assert same(light, list(frames))
    off = nodes.stylize(batch, scream)
    assert (light[1:] - light[:-1]).abs().mean() < 0.6 * (off[1:] - off[:-1]).abs().mean()


def test_opacity_gray_and_overshot_values_are_taken_as_comfyui_means_them(
    nodes: Nodes, scream: Any, fast: impasto.Stylizer
) -> None:
    photo = pan(2)
    opacity = torch.linspace(0, 1, 128).expand(2, 96, 128)[..., None]
    cut = torch.cat([photo, opacity], dim=-1)
    painted = nodes.stylize(cut, scream)
    assert same(painted, [fast.stylize(each, "munch-scream") for each in cut.numpy()])
    assert torch.equal(painted[..., 3], cut[..., 3])
    gray = photo[..., :1]
    assert torch.equal(nodes.stylize(gray, scream), nodes.stylize(gray.repeat(1, 1, 1, 3), scream))
    over = photo * 1.2 - 0.1
    assert torch.equal(nodes.stylize(over, scream), nodes.stylize(over.clamp(0, 1), scream))
    assert torch.equal(nodes.stylize(photo.double()[:1], scream), nodes.stylize(photo[:1], scream))


@pytest.mark.parametrize("encoded", [False, True])
def test_the_bar_moves_and_cancel_ends_a_film(nodes: Nodes, scream: Any, encoded: bool) -> None:
    batch: Any = pan(12, 64, 64)
    if encoded:
        batch = nodes("Impasto_Encode", images=batch, size=0, model=nodes.model())
    nodes.comfy.progress.clear()
    nodes.stylize(batch, scream)
    shares = [value / total for value, total in nodes.comfy.progress]
    assert shares == sorted(shares) and shares[-1] == 1 and len(set(shares)) >= 12
    nodes.comfy.progress.clear()
    nodes.comfy.cancel_at = 3
    try:
        with pytest.raises(comfyui_stub.InterruptProcessingException):
            nodes.stylize(batch, scream)
    finally:
        nodes.comfy.cancel_at = None
    assert len(nodes.comfy.progress) == 3


def test_cancel_works_within_a_large_image(
    nodes: Nodes, scream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tiles of a picture that does not fit into memory, at a size that a test can afford.
    whole = impasto.Stylizer.paint

    def tiled(self: impasto.Stylizer, *values: Any, **options: Any) -> Any:
        return whole(self, *values, **options, budget=impasto.Budget(tile=48))

    monkeypatch.setattr(impasto.Stylizer, "paint", tiled)
    nodes.comfy.progress.clear()
    nodes.comfy.cancel_at = 4
    try:
        with pytest.raises(comfyui_stub.InterruptProcessingException):
            nodes.stylize(pan(1), scream)
    finally:
        nodes.comfy.cancel_at = None
    value, total = nodes.comfy.progress[-1]
    assert 0 < value < total


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"images": torch.zeros(64, 64, 3)}, r"batch of \(B, H, W, 3\).*\(64, 64, 3\).*IMAGE"),
        ({"images": torch.zeros(1, 8, 64, 3)}, "64 x 8 pixels is too small.*16"),
        ({"images": torch.full((1, 32, 32, 3), float("nan"))}, "NaN"),
        ({"mask": torch.zeros(1, 64, 64)}, "mask is empty.*MaskEditor"),
        ({"mask": torch.ones(3, 64, 64)}, r"\(3, 64, 64\) do not fit 2 images.*one for each"),
        ({"color": "cholesky"}, "picture of a style.*luminance"),
        ({"size": 8}, "16"),
    ],
)
def test_what_cannot_be_painted_is_said_in_a_line(
    nodes: Nodes, scream: Any, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(impasto.ImpastoError, match=message) as raised:
        nodes.stylize(**{"images": pan(2), "style": scream, **inputs})
    assert "\n" not in str(raised.value)


def test_a_model_is_loaded_as_it_is_asked_for(nodes: Nodes) -> None:
    model = nodes("Impasto_Model", model="fast", engine="onnxruntime", precision="fp32")
    assert (model.name, model.engine.name, model.engine.precision) == (
        "fast",
        "onnxruntime",
        "fp32",
    )
    offered = options_of(nodes, "Impasto_Model", "precision")
    assert offered[0] == "automatic" and {"fp32", "bf16"} < set(offered)
    with pytest.raises(impasto.ImpastoError, match="precision 'bf16'"):
        nodes("Impasto_Model", model="fast", engine="onnxruntime", precision="bf16")


def test_values_that_do_not_fit_each_other_are_refused(nodes: Nodes, scream: Any) -> None:
    quality = nodes.model("quality")
    other = nodes.style(model=quality)
    weights = {f"weight_{number}": 1.0 for number in range(1, 5)}
    encoded = nodes("Impasto_Encode", images=pan(2, 32, 32), size=0, model=nodes.model())
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: nodes.stylize(encoded, other), "'fast'.*'quality': connect one Load model"),
        (lambda: nodes.stylize(encoded, scream, size=64), "size to 0 here, and to 64 in Encode"),
        (
            lambda: nodes.stylize(encoded, scream, steady="light"),
            "steady needs images that are not encoded",
        ),
        (
            lambda: nodes("Impasto_Mix", style_1=scream, style_2=other, **weights),
            "cannot be mixed: connect one Load model",
        ),
        (
            lambda: nodes("Impasto_Mix", style_1=scream, **{**weights, "weight_1": 0.0}),
            "weights are 0",
        ),
        (
            lambda: nodes.style(image=pan(2), model=nodes.model()),
            "one image, not 2.*Mix styles",
        ),
        (lambda: nodes.style(own="no-such", model=nodes.model()), "there is no style 'no-such'"),
        (lambda: nodes.style(own="../secret", model=nodes.model()), "there is no style"),
        (lambda: nodes.model("gone.impasto"), "no model 'gone.impasto' in models/impasto"),
    ]
    for call, message in cases:
        with pytest.raises(impasto.ImpastoError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)


def test_own_models_and_own_styles_are_found(
    nodes: Nodes, fast: impasto.Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impasto.models import find_bundle
    from impasto.models.table import MODELS
    from impasto.styles.library import add_style

    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "styles"))
    folder = nodes.comfy.models / "impasto"
    folder.mkdir()
    (row,) = [row for row in MODELS if row.name == "quality"]
    assert row.path is not None
    shutil.copy(row.path, folder / "mine.impasto")
    choices = options_of(nodes, "Impasto_Model", "model")
    assert choices == ["fast", "quality", "mine.impasto"]
    mine = nodes.model("mine.impasto")
    assert mine.identity == find_bundle("quality").identity
    stamp = nodes.classes["Impasto_Model"].fingerprint_inputs
    before = stamp(model="mine.impasto", engine="automatic")
    os.utime(folder / "mine.impasto", (1, 1))
    assert stamp(model="mine.impasto", engine="automatic") != before
    shutil.rmtree(folder)

    wave = fast.style(PAINTING, size=64)
    add_style(wave, "my-wave")
    photo = pan(1)
    own = nodes.style(own=" my-wave ", model=nodes.model())
    assert same(nodes.stylize(photo, own), [fast.stylize(photo[0].numpy(), wave)])


def types_of(nodes: Nodes) -> dict[str, dict[str, Any]]:
    """For every node its inputs, (type, options) by name."""
    types = {}
    for name, node in nodes.classes.items():
        inputs = node.GET_SCHEMA().inputs
        types[name] = {each.id: (each.get_io_type(), vars(each)) for each in inputs}
    return types


def quick(prompt: dict[str, Any]) -> dict[str, Any]:
    """The same in the engine that opens fastest."""
    for node in prompt.values():
        if node["class_type"] == "Impasto_Model":
            node["inputs"]["engine"] = "onnxruntime"
    return prompt


def options_of(nodes: Nodes, node: str, socket: str) -> list[str]:
    return list(types_of(nodes)[node][socket][1]["options"])


def test_the_nodes_are_registered_in_one_way(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not hasattr(nodes.pack, "NODE_CLASS_MAPPINGS")  # ComfyUI would overlook the other
    old = load_pack(comfyui_stub.make(tmp_path, v3=False), monkeypatch)
    assert not hasattr(old, "comfy_entrypoint")
    v1 = comfyui_stub.node_classes(old)
    assert set(v1) == set(nodes.classes)
    assert set(v1) == {f"Impasto_{each}" for each in ("Model", "Style", "Mix", "Encode", "Stylize")}
    for name, node in nodes.classes.items():
        schema, inputs = node.GET_SCHEMA(), v1[name].INPUT_TYPES()
        assert old.NODE_DISPLAY_NAME_MAPPINGS[name] == schema.display_name
        assert v1[name].RETURN_TYPES == tuple(each.get_io_type() for each in schema.outputs)
        required = {each.id for each in schema.inputs if not each.optional}
        assert (set(inputs["required"]), set(inputs["optional"])) == (
            required,
            {each.id for each in schema.inputs} - required,
        )
        for each in schema.inputs:
            kind, options = {**inputs["required"], **inputs["optional"]}[each.id]
            assert options.get("default") == each.default
            assert (each.options if isinstance(kind, list) else str(kind)) in (
                kind,
                each.get_io_type(),
            )
            assert options["tooltip"] == each.tooltip


def test_nodes_of_the_old_kind_paint_the_same(
    nodes: Nodes, scream: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = load_pack(comfyui_stub.make(tmp_path, v3=False), monkeypatch)
    v1 = comfyui_stub.node_classes(old)

    def call(kind: str, **inputs: Any) -> Any:
        node = v1[kind]()
        (result,) = getattr(node, node.FUNCTION)(**inputs)
        return result

    photo = pan(1)
    model = call("Impasto_Model", model="fast", engine="onnxruntime", precision="fp32")
    style = call("Impasto_Style", gallery="munch-scream", own="", size=512, model=model)
    painted = call("Impasto_Stylize", images=photo, style=style, **OPTIONS)
    assert torch.equal(painted, nodes.stylize(photo, scream))
    kind, _ = v1["Impasto_Stylize"].INPUT_TYPES()["required"]["images"]
    # An old ComfyUI asks so whether a link may be, a newer one splits the text at commas.
    differs = [kind != other for other in ("IMAGE", "IMPASTO_ENCODED", "MASK")]
    assert differs == [False, False, True]
    assert kind.split(",") == ["IMAGE", "IMPASTO_ENCODED"]


def test_importing_the_nodes_loads_no_engine(tmp_path: Path) -> None:
    script = (
        "import sys, types, pathlib\n"
        "import comfyui_stub\n"
        "sys.modules['torch'] = types.ModuleType('torch')\n"
        "import importlib.util\n"
        f"comfy = comfyui_stub.make(pathlib.Path({str(tmp_path)!r}))\n"
        "sys.modules.update(comfy.modules)\n"
        f"spec = importlib.util.spec_from_file_location('pack', {str(PACK / '__init__.py')!r})\n"
        "pack = importlib.util.module_from_spec(spec); sys.modules['pack'] = pack\n"
        "spec.loader.exec_module(pack)\n"
        "assert len(comfyui_stub.node_classes(pack)) == 5\n"
        "print([name for name in ('onnxruntime', 'openvino', 'av') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=HERE, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(impasto.__file__).parents[1])},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("impasto", r"need the package impasto.*run: .*install.py\", then restart ComfyUI$"),
        ("engines", r"onnxruntime-gpu or another.*none is installed; run: .*install.py"),
    ],
)
def test_what_is_not_installed_is_said_in_a_line(
    missing: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"impasto"} if missing == "impasto" else {row.imports for row in ENGINES}
    whole = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name in gone else whole(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(ImportError, match=message) as raised:
        load_pack(comfyui_stub.make(tmp_path), monkeypatch)
    assert "\n" not in str(raised.value)
    assert sys.executable in str(raised.value)


def installer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install_impasto_nodes", PACK / "install.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["gpu", "directml", "openvino"])
def test_installing_leaves_relatives_of_onnxruntime_alone(kind: str, tmp_path: Path) -> None:
    install = installer()
    fake = tmp_path / f"onnxruntime_{kind}-1.20.0.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: onnxruntime_{kind}\nVersion: 1.20.0\n"
    )
    found = install.runtime([str(tmp_path)])
    assert found == f"onnxruntime-{kind}"
    first, second = install.commands(found)
    assert first == ["install", "--no-deps", "impasto"]
    assert not any("onnxruntime" in each for each in second)
    required = {each.split(">")[0] for each in second[1:]}
    assert required == {"numpy", "pillow", "click", "tqdm", "safetensors"} & required
    assert {"numpy", "pillow", "click"} <= required


def test_installing_is_one_step_elsewhere(tmp_path: Path) -> None:
    install = installer()
    assert install.runtime([str(tmp_path)]) is None
    assert list(install.commands(None)) == [["install", "impasto"]]
    assert list(install.commands("onnxruntime")) == [["install", "impasto"]]
    assert install.without_runtimes(
        ["numpy>=2.0", "onnxruntime>=1.20", "onnxruntime_gpu", 'av>=17; extra == "video"']
    ) == ["numpy>=2.0"]
    done = subprocess.run(
        [sys.executable, str(PACK / "install.py"), "--dry-run"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].startswith(f"Impasto: {sys.executable} -m pip install")
    assert metadata.requires("impasto")  # what the second step reads


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_example_workflows_fit_the_nodes(nodes: Nodes, path: Path) -> None:
    workflow = read(path)
    types = types_of(nodes)
    by_id = {node["id"]: node for node in workflow["nodes"]}
    assert workflow["version"] == 0.4 and len(by_id) == len(workflow["nodes"])
    assert workflow["last_node_id"] == max(by_id)
    assert workflow["last_link_id"] == max(link[0] for link in workflow["links"])
    for node in workflow["nodes"]:
        kind = node["type"]
        if kind in NOTES:
            continue
        if kind in CORE:
            known, outputs = CORE[kind][1], CORE[kind][2]
        else:
            known = {name: str(each[0]) for name, each in types[kind].items()}
            schema = nodes.classes[kind].GET_SCHEMA()
            outputs = tuple(each.get_io_type() for each in schema.outputs)
            sockets = [name for name, each in known.items() if each not in
                       ("INT", "FLOAT", "STRING", "COMBO")]  # fmt: skip
            assert [each["name"] for each in node["inputs"]] == sockets
        assert all(known[each["name"]] == each["type"] for each in node["inputs"])
        assert tuple(each["type"] for each in node["outputs"]) == outputs
    for number, source, slot, target, index, kind in workflow["links"]:
        assert number in by_id[source]["outputs"][slot]["links"]
        assert by_id[source]["outputs"][slot]["type"] == kind
        assert by_id[target]["inputs"][index]["link"] == number
        assert kind in by_id[target]["inputs"][index]["type"].split(",")
    for node in prompt_of(workflow, types).values():
        for name, value in node["inputs"].items():
            if node["class_type"] in types and not isinstance(value, list):
                _, options = types[node["class_type"]][name]
                if options.get("options"):
                    assert value in options["options"]
                elif options.get("min") is not None:
                    assert options["min"] <= value <= options["max"]


def test_the_example_of_a_film_runs(nodes: Nodes) -> None:
    pytest.importorskip("av")
    frames, sound = pan(3, 64, 64), object()
    picture = torch.from_numpy(impasto.read_photo(PAINTING).image[:96, :96])[None]
    saved: list[Any] = []

    def run(kind: str, values: dict[str, Any]) -> tuple[Any, ...]:
        if kind.startswith("Impasto_"):
            return tuple(nodes.classes[kind].execute(**values).result)
        results: dict[str, tuple[Any, ...]] = {
            "LoadImage": (picture, torch.zeros(1, 64, 64)),
            "LoadVideo": ("film",),
            "GetVideoComponents": (frames, sound, 25.0),
            "CreateVideo": (values,),
        }
        if kind == "SaveVideo":
            saved.append(values["video"])
        return results.get(kind, ())

    prompt = quick(prompt_of(read(WORKFLOWS[0]), types_of(nodes)))
    (last,) = [name for name, node in prompt.items() if node["class_type"] == "SaveVideo"]
    comfyui_stub.Executor(run)(prompt, last)
    (film,) = saved
    assert film["audio"] is sound and film["fps"] == 25.0
    assert film["images"].shape == frames.shape
    assert (film["images"] - frames).abs().mean() > 0.03


def test_the_registry_gets_what_it_wants() -> None:
    facts = tomllib.loads((PACK / "pyproject.toml").read_text())
    project = facts["project"]
    assert project["name"] == "impasto"
    assert project["version"] == impasto.__version__.split(".dev")[0]
    assert project["version"].count(".") == 2
    assert project["license"] == {"file": "LICENSE"}
    assert project["requires-python"] == metadata.metadata("impasto")["Requires-Python"]
    root = HERE.parent
    assert (PACK / "LICENSE").read_text() == (root / "LICENSE").read_text()


def test_defaults_are_those_of_the_library(nodes: Nodes) -> None:
    types = types_of(nodes)
    stylize = {name: options["default"] for name, (_, options) in types["Impasto_Stylize"].items()}
    assert stylize["strength"] == Controls.alpha and stylize["coarse"] == Controls.coarse
    assert {name: stylize[name] for name in OPTIONS} == OPTIONS
    assert types["Impasto_Style"]["size"][1]["default"] == impasto.ReadOptions.style_size


@pytest.mark.skipif(
    not os.environ.get("IMPASTO_COMFYUI"), reason="IMPASTO_COMFYUI names no sources of ComfyUI"
)
def test_the_nodes_run_in_comfyui_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "comfyui_real.py"), os.environ["IMPASTO_COMFYUI"]],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(impasto.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all is well"
