"""Classes of the V1 kind, made of the rows of the table, for a ComfyUI without the V3 schema."""

from __future__ import annotations

from typing import Any

from .nodes import NODES, Node, Socket


class Kinds(str):
    """Types of which any will do. Old versions only ask whether a type is not equal to another."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return str(other) not in self.split(",")

    def __eq__(self, other: object) -> bool:
        return not self != other

    __hash__ = str.__hash__


def node_class(row: Node) -> type:
    """Make the class of a row."""
    name, kind = row.output

    def input_types(cls: type) -> dict[str, dict[str, Any]]:
        required = {each.id: _input(each) for each in row.inputs if not each.optional}
        optional = {each.id: _input(each) for each in row.inputs if each.optional}
        return {"required": required, "optional": optional}

    members: dict[str, Any] = {
        "INPUT_TYPES": classmethod(input_types),
        "RETURN_TYPES": (kind,),
        "RETURN_NAMES": (name,),
        "FUNCTION": "execute",
        "CATEGORY": "Impasto",
        "DESCRIPTION": row.about,
        "execute": lambda self, **values: (row.run(**values),),
    }
    if row.stamp is not None:
        stamp = row.stamp
        members["IS_CHANGED"] = classmethod(lambda cls, **values: stamp(**values))
    return type(row.id, (), members)


def _input(socket: Socket) -> tuple[Any, dict[str, Any]]:
    options: dict[str, Any] = {"tooltip": socket.tip}
    if socket.default is not None:
        options["default"] = socket.default
    if socket.range is not None:
        options |= dict(zip(("min", "max", "step"), socket.range, strict=True))
    if socket.choices is not None:
        return socket.choices(), options
    return Kinds(socket.kind) if "," in socket.kind else socket.kind, options


NODE_CLASS_MAPPINGS = {row.id: node_class(row) for row in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {row.id: row.name for row in NODES}
