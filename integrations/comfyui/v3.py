"""ComfyUI's V3 classes, made of the rows of the table."""

from __future__ import annotations

from typing import Any

from .installed import NoV3

try:
    from comfy_api.v0_0_2 import ComfyExtension, io
except ImportError as error:
    raise NoV3(f"this ComfyUI has no V3 schema ({error})") from error

from .nodes import ENCODED, MODEL, NODES, STYLE, Node, Socket

_OWN = {kind: io.Custom(kind) for kind in (MODEL, STYLE, ENCODED)}
_KINDS: dict[str, Any] = {
    "IMAGE": io.Image,
    "MASK": io.Mask,
    "FLOAT": io.Float,
    "INT": io.Int,
    "STRING": io.String,
    "COMBO": io.Combo,
    **_OWN,
}


class Extension(ComfyExtension):
    """All nodes of Impasto."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """Return a class for each row."""
        return [node_class(row) for row in NODES]


async def comfy_entrypoint() -> Extension:
    """Return the extension; ComfyUI calls this."""
    return Extension()


def node_class(row: Node) -> type[io.ComfyNode]:
    """Make the class of a row."""

    class Made(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            name, kind = row.output
            return io.Schema(
                node_id=row.id,
                display_name=row.name,
                category="Impasto",
                description=row.about,
                inputs=[_input(socket) for socket in row.inputs],
                # Ids of inputs and outputs may not be the same.
                outputs=[_KINDS[kind].Output(f"{name}_out", display_name=name)],
            )

        @classmethod
        def execute(cls, **values: Any) -> io.NodeOutput:
            return io.NodeOutput(row.run(**values))

    if row.stamp is not None:
        stamp = row.stamp
        Made.fingerprint_inputs = classmethod(lambda cls, **values: stamp(**values))
    Made.__name__ = Made.__qualname__ = row.id
    return Made


def _input(socket: Socket) -> Any:
    common: dict[str, Any] = {"optional": socket.optional, "tooltip": socket.tip}
    if "," in socket.kind:
        types = [_KINDS[kind] for kind in socket.kind.split(",")]
        return io.MultiType.Input(socket.id, types=types, **common)
    if socket.default is not None:
        common["default"] = socket.default
    if socket.range is not None:
        common |= dict(zip(("min", "max", "step"), socket.range, strict=True))
    if socket.choices is not None:
        common["options"] = socket.choices()
    return _KINDS[socket.kind].Input(socket.id, **common)
