"""As much of ComfyUI as its nodes touch: names, arguments and meaning as published, nothing else.

``comfy_api.v0_0_2`` (the V3 schema), ``comfy.utils.ProgressBar``, ``comfy.model_management`` and
``folder_paths``; and an executor of workflows that, as ComfyUI's, keeps what nodes have returned
until their inputs change.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any


class InterruptProcessingException(Exception):
    """Cancel was pressed."""


@dataclass
class Comfy:
    """A ComfyUI for tests.

    Attributes:
        modules: by name, for ``sys.modules``.
        progress: all values and totals that progress bars were given.
        cancel_at: Cancel is pressed when so many values were given; None: never.
    """

    models: Path
    modules: dict[str, ModuleType] = field(default_factory=dict)
    progress: list[tuple[int, int]] = field(default_factory=list)
    cancel_at: int | None = None


def _prune(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


class _Type:
    io_type = ""


class _Input:
    kind: Any = None

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        extra_dict: dict[str, Any] | None = None,
    ) -> None:
        self.id, self.optional, self.tooltip = id, optional, tooltip
        self.display_name, self.lazy = display_name, lazy
        self.default: Any = None

    def get_io_type(self) -> str:
        return str(self.kind)


class _Output:
    kind: Any = None

    def __init__(
        self,
        id: str | None = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        self.id, self.display_name, self.tooltip = id, display_name, tooltip
        self.is_output_list = is_output_list

    def get_io_type(self) -> str:
        return str(self.kind)


class _NumberInput(_Input):
    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        default: float | None = None,
        min: float | None = None,
        max: float | None = None,
        step: float | None = None,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip, lazy)
        self.default, self.min, self.max, self.step = default, min, max, step


class _StringInput(_Input):
    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        multiline: bool = False,
        placeholder: str | None = None,
        default: str | None = None,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip, lazy)
        self.default, self.multiline = default, multiline


class _ComboInput(_Input):
    def __init__(
        self,
        id: str,
        options: list[str] | None = None,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        default: str | None = None,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip, lazy)
        self.default, self.options = default, options


def _custom(io_type: str) -> Any:
    return _comfy_type(io_type)


def _comfy_type(io_type: str, base: type[_Input] = _Input) -> Any:
    return type(
        io_type,
        (_Type,),
        {
            "io_type": io_type,
            "Input": type("Input", (base,), {"kind": io_type}),
            "Output": type("Output", (_Output,), {"kind": io_type}),
        },
    )


class _MultiType:
    class Input(_Input):
        def __init__(
            self,
            id: str,
            types: list[Any],
            display_name: str | None = None,
            optional: bool = False,
            tooltip: str | None = None,
            lazy: bool | None = None,
            extra_dict: dict[str, Any] | None = None,
        ) -> None:
            super().__init__(id, display_name, optional, tooltip, lazy)
            self.types = types

        def get_io_type(self) -> str:
            return ",".join(each.io_type for each in self.types)


@dataclass
class _Schema:
    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: list[Any] | None = None
    outputs: list[Any] | None = None
    hidden: list[Any] | None = None
    description: str = ""
    is_input_list: bool = False
    is_output_node: bool = False

    def validate(self) -> None:
        ids = [each.id for each in (*(self.inputs or ()), *(self.outputs or ()))]
        if len(set(ids)) != len(ids):
            raise ValueError(f"Ids must be unique, but these are not: {ids}")


class _ComfyNode:
    @classmethod
    @abstractmethod
    def define_schema(cls) -> _Schema: ...

    @classmethod
    @abstractmethod
    def execute(cls, **kwargs: Any) -> _NodeOutput: ...

    @classmethod
    def GET_SCHEMA(cls) -> _Schema:
        schema = cls.define_schema()
        schema.validate()
        return schema


class _NodeOutput:
    def __init__(
        self,
        *args: Any,
        ui: Any = None,
        expand: Any = None,
        block_execution: str | None = None,
    ) -> None:
        self.args = args

    @property
    def result(self) -> tuple[Any, ...] | None:
        return self.args or None


class _ComfyExtension(ABC):
    @abstractmethod
    async def get_node_list(self) -> list[type[_ComfyNode]]: ...


def make(models: Path, *, v3: bool = True) -> Comfy:
    """Make a ComfyUI.

    Args:
        models: its folder of models.
        v3: whether it has the V3 schema; otherwise it is of before that.
    """
    comfy = Comfy(models)

    def module(name: str, **names: Any) -> ModuleType:
        made = comfy.modules[name] = ModuleType(name)
        for key, value in names.items():
            setattr(made, key, value)
        return made

    class ProgressBar:
        def __init__(self, total: int, node_id: str | None = None) -> None:
            self.total, self.current = total, 0

        def update_absolute(
            self, value: int, total: int | None = None, preview: Any = None
        ) -> None:
            self.total = total or self.total
            self.current = min(value, self.total)
            comfy.progress.append((self.current, self.total))

        def update(self, value: int) -> None:
            self.update_absolute(self.current + value)

    def throw_exception_if_processing_interrupted() -> None:
        if comfy.cancel_at is not None and len(comfy.progress) >= comfy.cancel_at:
            raise InterruptProcessingException

    places: dict[str, tuple[list[str], set[str]]] = {}

    def get_filename_list(folder_name: str) -> list[str]:
        folders, suffixes = places[folder_name]
        files = [file for folder in folders for file in Path(folder).glob("*")]
        return sorted(file.name for file in files if file.suffix in suffixes)

    def get_full_path(folder_name: str, filename: str) -> str | None:
        found = [Path(folder, filename) for folder in places[folder_name][0]]
        return next((str(path) for path in found if path.is_file()), None)

    module("comfy")
    module("comfy.utils", ProgressBar=ProgressBar)
    module(
        "comfy.model_management",
        throw_exception_if_processing_interrupted=throw_exception_if_processing_interrupted,
        InterruptProcessingException=InterruptProcessingException,
    )
    module(
        "folder_paths",
        models_dir=str(models),
        folder_names_and_paths=places,
        get_filename_list=get_filename_list,
        get_full_path=get_full_path,
    )
    module("comfy_api")
    if v3:
        io = module(
            "comfy_api.v0_0_2.io",
            Schema=_Schema,
            ComfyNode=_ComfyNode,
            NodeOutput=_NodeOutput,
            Custom=_custom,
            MultiType=_MultiType,
            Image=_comfy_type("IMAGE"),
            Mask=_comfy_type("MASK"),
            Float=_comfy_type("FLOAT", _NumberInput),
            Int=_comfy_type("INT", _NumberInput),
            String=_comfy_type("STRING", _StringInput),
            Combo=_comfy_type("COMBO", _ComboInput),
        )
        module("comfy_api.v0_0_2", io=io, ComfyExtension=_ComfyExtension)
    return comfy


def node_classes(pack: ModuleType) -> dict[str, Any]:
    """Return the nodes of a pack by their ids, as ComfyUI's loader finds them."""
    mapping = getattr(pack, "NODE_CLASS_MAPPINGS", None)
    if mapping is not None:
        return dict(mapping)

    async def listed() -> list[Any]:
        extension = await pack.comfy_entrypoint()
        assert isinstance(extension, _ComfyExtension)
        return list(await extension.get_node_list())

    return {each.GET_SCHEMA().node_id: each for each in asyncio.run(listed())}


class Executor:
    """Runs workflows in the form of the API; nodes whose inputs are as before do not run again.

    Args:
        run: runs a node by its id with its inputs and returns its results.
        stamp: gives what a node depends on beside its inputs.
    """

    def __init__(
        self,
        run: Callable[[str, dict[str, Any]], tuple[Any, ...]],
        stamp: Callable[[str, dict[str, Any]], Any] = lambda kind, values: None,
    ) -> None:
        self._run, self._stamp = run, stamp
        self._kept: dict[Any, tuple[Any, ...]] = {}
        self.ran: list[str] = []

    def __call__(self, prompt: dict[str, Any], node: str) -> tuple[Any, ...]:
        """Return the results of a node, after all that it needs."""
        kind, inputs = prompt[node]["class_type"], prompt[node]["inputs"]
        key = self._key(prompt, node)
        if key not in self._kept:
            values = {
                name: self(prompt, value[0])[value[1]] if isinstance(value, list) else value
                for name, value in inputs.items()
            }
            self.ran.append(kind)
            self._kept[key] = self._run(kind, values)
        return self._kept[key]

    def _key(self, prompt: dict[str, Any], node: str) -> Any:
        kind, inputs = prompt[node]["class_type"], prompt[node]["inputs"]
        widgets = {name: each for name, each in inputs.items() if not isinstance(each, list)}
        parts = [
            (name, (self._key(prompt, each[0]), each[1]) if isinstance(each, list) else each)
            for name, each in sorted(inputs.items())
        ]
        return kind, repr(self._stamp(kind, widgets)), tuple(parts)
