"""Runs the nodes and the workflows in ComfyUI's own executor: python comfyui_real.py SOURCES

Its own nodes for images would need all of its models' libraries, so two of them have stand-ins;
those for films are its own. Prints "all is well" at the end.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import comfyui_stub
import numpy as np
import torch
from comfyui_workflows import PACK, WORKFLOWS, prompt_of, read

import impasto
from impasto.models.engine import GraphEngine

ROOT = Path(__file__).parents[1]
saved: list[Any] = []


class LoadImage:
    """A stand-in: a photograph for one name, a painting for the other."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": (["example.png"], {})}}

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "load"

    def load(self, image: str) -> tuple[Any, Any]:
        array = impasto.read_photo(ROOT / "examples/photos/rocket.jpg").image
        return torch.from_numpy(array[None, :96, :128].copy()), torch.zeros(1, 64, 64)


class SaveImage:
    """A stand-in that keeps what it is given."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {})}}

    RETURN_TYPES = ()
    FUNCTION = "save"
    OUTPUT_NODE = True

    def save(self, images: Any, filename_prefix: str) -> dict[str, Any]:
        saved.append(images)
        return {"ui": {"images": []}}


def main(sources: Path) -> None:
    sys.path.insert(0, str(sources))
    from comfy.cli_args import args

    args.cpu = True
    nodes = ModuleType("nodes")
    nodes.NODE_CLASS_MAPPINGS = {"LoadImage": LoadImage, "SaveImage": SaveImage}
    sys.modules["nodes"] = nodes
    import comfy.model_management
    import comfy.utils
    import execution
    import folder_paths
    from comfy.model_management import interrupt_current_processing
    from comfy_api.v0_0_2 import io

    nodes.interrupt_processing = interrupt_current_processing
    nodes.before_node_execution = comfy.model_management.throw_exception_if_processing_interrupted
    for place in ("input", "output", "models"):
        Path(place).mkdir()
    folder_paths.set_input_directory(str(Path("input").resolve()))
    folder_paths.set_output_directory(str(Path("output").resolve()))
    folder_paths.models_dir = str(Path("models").resolve())

    check_signatures(io)
    pack = imported("pack", PACK / "__init__.py")
    assert not hasattr(pack, "NODE_CLASS_MAPPINGS")
    own = asyncio.run(registered(pack))
    nodes.NODE_CLASS_MAPPINGS.update(own)
    videos = imported("nodes_video", sources / "comfy_extras" / "nodes_video.py")
    nodes.NODE_CLASS_MAPPINGS.update(asyncio.run(registered(videos)))
    types = {name: inputs_of(each) for name, each in own.items()}

    progress: list[float] = []
    cancels: list[bool] = []

    def hook(value: float, total: float, preview: Any, node_id: Any = None) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        progress.append(value / total)
        if cancels:
            interrupt_current_processing()

    comfy.utils.set_progress_bar_global_hook(hook)
    server = SimpleNamespace(
        client_id=None, last_node_id=None, sockets_metadata={}, send_sync=lambda *values: None
    )
    executor = execution.PromptExecutor(server)
    encoded: list[int] = []
    whole: Callable[..., Any] = GraphEngine.encode

    def counted(self: GraphEngine, image: Any) -> Any:
        encoded.append(image.shape[1])
        return whole(self, image)

    GraphEngine.encode = counted

    def run(prompt: dict[str, Any]) -> None:
        valid, error, outputs, errors = asyncio.run(execution.validate_prompt("1", prompt, None))
        assert valid, (error, errors)
        executor.execute(prompt, "1", {}, outputs)

    # The photograph: only the second half is done again.
    prompt = prompt_of(read(WORKFLOWS[1]), types)
    run(prompt)
    assert executor.success, executor.status_messages
    assert len(encoded) == 1 and progress[-1] == 1
    paint = next(each for each in prompt.values() if each["class_type"] == "Impasto_Stylize")
    paint["inputs"]["strength"] = 0.5
    run(prompt)
    assert executor.success and len(encoded) == 1
    model = impasto.load("fast")
    (photo,) = LoadImage().load("")[0].numpy()
    names = ["munch-scream", "monet-waterlilies"]
    for images, alpha in zip(saved, (1.0, 0.5), strict=True):
        expected = model.stylize(photo, names, weights=[2, 1], alpha=alpha)
        assert np.array_equal(images[0].numpy(), expected)

    # Cancel.
    cancels.append(True)
    paint["inputs"]["strength"] = 0.25
    run(prompt)
    cancels.clear()
    assert not executor.success and len(saved) == 2
    assert executor.status_messages[-1][0] == "execution_interrupted", executor.status_messages

    # An error of ours is one line of its message.
    paint["inputs"]["color"] = "cholesky"
    run(prompt)
    (message,) = (each for kind, each in executor.status_messages if kind == "execution_error")
    assert "luminance" in message["exception_message"]
    assert message["exception_message"].strip().count("\n") == 0

    # The film: with its sound, by ComfyUI's own nodes.
    film_of(Path("input") / "clip.mp4")
    prompt = prompt_of(read(WORKFLOWS[0]), types)
    run(prompt)
    assert executor.success, executor.status_messages
    (painted,) = Path("output").rglob("*.mp4")
    import av

    with av.open(str(painted)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        assert sum(1 for _ in container.decode(video=0)) == 6
    print("all is well")


def imported(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


async def registered(pack: ModuleType) -> dict[str, Any]:
    extension = await pack.comfy_entrypoint()
    return {each.GET_SCHEMA().node_id: each for each in await extension.get_node_list()}


def inputs_of(node: Any) -> dict[str, Any]:
    both = node.INPUT_TYPES()
    inputs = {**both["required"], **both.get("optional", {})}
    return {name: (each[0], each[1]) for name, each in inputs.items()}


def check_signatures(io: Any) -> None:
    """The stub has no argument that the real one has not, and none in another place."""
    stub = comfyui_stub.make(Path()).modules["comfy_api.v0_0_2.io"]
    for name in ("Image", "Mask", "Float", "Int", "String", "Combo", "MultiType"):
        mine, real = getattr(stub, name).Input, getattr(io, name).Input
        fits(name, mine, real)
        if name != "MultiType":
            assert getattr(stub, name).io_type == getattr(io, name).io_type
            fits(f"{name}.Output", getattr(stub, name).Output, getattr(io, name).Output)
    for name in ("Schema", "NodeOutput", "Custom"):
        fits(name, getattr(stub, name), getattr(io, name))


def fits(name: str, mine: Any, real: Any) -> None:
    own = [each for each in inspect.signature(mine).parameters if each != "options"]
    theirs = [each for each in inspect.signature(real).parameters if each != "options"]
    assert set(own) <= set(theirs), (name, own, theirs)
    assert own[:2] == theirs[:2], (name, own, theirs)


def film_of(path: Path) -> None:
    """Write a film of six frames and a tone."""
    import av

    with av.open(str(path), "w") as container:
        pictures = container.add_stream("h264", rate=Fraction(25))
        pictures.width, pictures.height, pictures.pix_fmt = 128, 96, "yuv420p"
        sound = container.add_stream("aac", rate=44100)
        image = impasto.read_photo(ROOT / "examples/photos/rocket.jpg").image
        for number in range(6):
            part = np.rint(image[:96, 4 * number : 4 * number + 128] * 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(part), format="rgb24")
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        tone = np.sin(np.arange(10240, dtype=np.float32)[None] * 0.06)
        samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        samples.sample_rate = 44100
        container.mux(sound.encode(samples))
        container.mux(sound.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
