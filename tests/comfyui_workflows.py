"""ComfyUI's workflows as its page saves them, and as its page sends them to be run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PACK = Path(__file__).parents[1] / "integrations" / "comfyui"
WORKFLOWS = sorted((PACK / "example_workflows").glob("*.json"))

# Nodes of ComfyUI itself: their widgets, in their order (None: a button), inputs and outputs.
CORE: dict[str, tuple[tuple[str | None, ...], dict[str, str], tuple[str, ...]]] = {
    "LoadImage": (("image", None), {}, ("IMAGE", "MASK")),
    "SaveImage": (("filename_prefix",), {"images": "IMAGE"}, ()),
    "LoadVideo": (("file", None), {}, ("VIDEO",)),
    "GetVideoComponents": ((), {"video": "VIDEO"}, ("IMAGE", "AUDIO", "FLOAT")),
    "CreateVideo": (
        ("fps",),
        {"images": "IMAGE", "audio": "AUDIO", "fps": "FLOAT"},
        ("VIDEO",),
    ),
    "SaveVideo": (("filename_prefix", "format", "codec"), {"video": "VIDEO"}, ()),
}
NOTES = ("MarkdownNote",)


def read(path: Path) -> dict[str, Any]:
    """Read a workflow."""
    return dict(json.loads(path.read_text()))


def widgets_of(inputs: dict[str, Any]) -> list[str]:
    """Return the names of inputs that have widgets; ``inputs`` are (type, options) by name."""
    return [
        name
        for name, (kind, _) in inputs.items()
        if isinstance(kind, list) or kind in ("INT", "FLOAT", "STRING", "COMBO", "BOOLEAN")
    ]


def prompt_of(workflow: dict[str, Any], types: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Translate a workflow into what ComfyUI runs, as its page does.

    Args:
        workflow: as saved.
        types: for our nodes their inputs, (type, options) by name.

    Raises:
        AssertionError: if widgets are not as many as the node has, or links lead nowhere.
    """
    links = {link[0]: link for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        kind = node["type"]
        if kind in NOTES:
            continue
        names = CORE[kind][0] if kind in CORE else widgets_of(types[kind])
        values = node["widgets_values"]
        assert len(names) == len(values), (kind, names, values)
        inputs = {
            name: value for name, value in zip(names, values, strict=True) if name is not None
        }
        for place, socket in enumerate(node["inputs"]):
            if socket["link"] is not None:
                _, source, slot, target, index, _ = links[socket["link"]]
                assert (target, index) == (node["id"], place), socket
                inputs[socket["name"]] = [str(source), slot]
        prompt[str(node["id"])] = {"class_type": kind, "inputs": inputs}
    return prompt
