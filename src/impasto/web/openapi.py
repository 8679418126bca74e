"""The interface as an OpenAPI document, generated from the fields that forms are read by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from impasto import __version__
from impasto.controls import STATISTICS
from impasto.controls.affine import MAX_ALPHA
from impasto.controls.behavior import BEHAVIORS
from impasto.controls.coarse import MAX_COARSE
from impasto.controls.color import METHODS
from impasto.controls.transforms import TRANSFORMS
from impasto.images.formats import WRITTEN
from impasto.images.options import MIN_SIDE
from impasto.styles.library import MAX_NAME
from impasto.web.forms import MAX_STYLES, FormField, form_fields
from impasto.web.limits import Limits

__all__ = ["document"]

_FILE = {"type": "string", "format": "binary"}
_NUMBERS = r"^[0-9]+(\.[0-9]+)?(,[0-9]+(\.[0-9]+)?)*$"

# Facts that the types of the fields do not express; each is checked where the value is made.
_FACTS: dict[str, dict[str, Any]] = {
    "alpha": {"minimum": 0, "maximum": MAX_ALPHA},
    "coarse": {"minimum": 1, "maximum": MAX_COARSE},
    "descreen": {"minimum": 0, "maximum": 1},
    "size": {"minimum": MIN_SIDE},
    "style_size": {"minimum": MIN_SIDE},
    "quality": {"minimum": 1, "maximum": 100},
    "depth": {"enum": [8, 16]},
    "statistics": {"enum": list(STATISTICS)},
    "color": {"enum": [row.name for row in METHODS]},
    "transform": {"enum": [row.name for row in TRANSFORMS]},
    "behavior": {"enum": [row.name for row in BEHAVIORS]},
    "mask": {"maxItems": MAX_STYLES},
    "weights": {"pattern": _NUMBERS},
    "range": {"pattern": r"^-?[0-9]+(\.[0-9]+)?,-?[0-9]+(\.[0-9]+)?$"},
}

_SCHEMAS: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "Sequence[float]": {"type": "string"},
    "Sequence[Map]": {"type": "array", "items": _FILE},
}


def document(address: str, models: Sequence[str], limits: Limits) -> dict[str, Any]:
    """The OpenAPI document of a server, with an example for curl at every operation.

    Args:
        address: address of the server, without a slash at its end.
        models: names of those that are served.
        limits: limits of requests.

    Example:
        >>> found = document("http://127.0.0.1:8484", ["fast"], Limits())
        >>> found["paths"]["/api/stylize"]["post"]["x-codeSamples"][0]["lang"]
        'Shell'
    """
    model = {"type": "string", "enum": list(models), "description": "Model."}
    style = {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": MAX_STYLES,
        "description": "Style: the name of a kept style, a picture, or a style file "
        "(.safetensors), as text or a file; several are mixed.",
    }
    fields = form_fields()
    stylize = {
        "content": {**_FILE, "description": "The photograph."},
        "style": style,
        "model": model,
        **{name: _schema(each) for name, each in fields.items()},
        "format": {
            "type": "string",
            "enum": [row.name.lower() for row in WRITTEN],
            "description": "Format of the result; default: the photograph's if possible, else PNG.",
        },
    }
    make = {
        "style": {**_FILE, "description": "A picture, a style file, or a name as text."},
        "model": model,
        "style_size": _schema(fields["style_size"]),
    }
    form = {"style": {"style": "form", "explode": True}}
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Impasto",
            "version": __version__,
            "description": "Paints photographs in the style of another picture. Requests of more "
            f"than {limits.max_bytes:,} bytes and pictures of more than {limits.max_pixels:,} "
            "pixels are refused; nothing is kept, and nothing is fetched from an address. Live "
            "frames use a WebSocket, /api/frames.",
        },
        "servers": [{"url": address}],
        "paths": {
            "/api/stylize": {
                "post": _operation(
                    "Paint a photograph",
                    "stylize",
                    {"200": _picture()},
                    "curl -F content=@street.jpg -F style=munch-scream -F alpha=0.8 "
                    f"-o painted.jpg {address}/api/stylize",
                    form=_form(stylize, ["content", "style"], form),
                )
            },
            "/api/styles": {
                "get": _operation(
                    "List the styles of a model",
                    "listStyles",
                    {"200": _json({"type": "array", "items": _STYLE})},
                    f"curl '{address}/api/styles?model={models[0]}'",
                    parameters=[{"name": "model", "in": "query", "schema": model}],
                ),
                "post": _operation(
                    "Make a style file of a picture, to send in place of the picture",
                    "makeStyle",
                    {"200": _binary("The style file (safetensors), a few kB.")},
                    f"curl -F style=@wave.jpg -o wave.safetensors {address}/api/styles",
                    form=_form(make, ["style"], {}),
                ),
            },
            "/api/models": {
                "get": _operation(
                    "List the models",
                    "listModels",
                    {"200": _json({"type": "array", "items": _MODEL})},
                    f"curl {address}/api/models",
                )
            },
            "/api/health": {
                "get": _operation(
                    "Get the current and past work of the server",
                    "health",
                    {"200": _json({"type": "object", "required": ["status"]})},
                    f"curl {address}/api/health",
                )
            },
        },
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"type": "string"}},
                }
            }
        },
    }


_TEXT = {"type": "string"}

_STYLE = {
    "type": "object",
    "required": ["name", "title", "thumbnail"],
    "properties": {
        "name": {"type": "string", "maxLength": MAX_NAME},
        "title": _TEXT,
        "thumbnail": _TEXT,
        "file": {"type": "string", "nullable": True},
    },
}

_MODEL = {
    "type": "object",
    "required": ["name", "title", "identity", "parameters", "pictures"],
    "properties": {
        "name": _TEXT,
        "title": _TEXT,
        "identity": _TEXT,
        "parameters": {"type": "integer"},
        "pictures": {"type": "boolean", "description": "Whether pictures can be styles."},
    },
}

_ERRORS = {
    "400": "The request has an error; the line says what is wrong and how to fix it.",
    "401": "The server needs a token.",
    "403": "The request comes from another page, or names another server.",
    "408": "The request did not arrive in time.",
    "413": "The request is too large; it is refused before it is received.",
    "503": "The server is busy or out of memory; Retry-After says when to try again.",
}


def _schema(field: FormField) -> dict[str, Any]:
    facts = dict(_FACTS.get(field.name, {}))
    if field.kind == "float | Map":
        found: dict[str, Any] = {"type": "number", **facts}
        return {**found, "default": field.default, "description": _help(field) + " Or a file."}
    found = {**_SCHEMAS[field.kind], **facts, "description": _help(field)}
    if field.default is not None and field.default != ():
        found["default"] = field.default
    return found


def _help(field: FormField) -> str:
    return field.help


def _operation(
    summary: str,
    name: str,
    answers: dict[str, Any],
    curl: str,
    *,
    parameters: Sequence[dict[str, Any]] = (),
    form: dict[str, Any] | None = None,
) -> dict[str, Any]:
    refusals = [*_ERRORS] if form else ["400", "401", "403"]
    error = {"schema": {"$ref": "#/components/schemas/Error"}}
    answers = {
        **answers,
        **{
            status: {"description": _ERRORS[status], "content": {"application/json": error}}
            for status in refusals
        },
    }
    found: dict[str, Any] = {
        "summary": summary,
        "operationId": name,
        "responses": answers,
        "x-codeSamples": [{"lang": "Shell", "label": "curl", "source": curl}],
    }
    if parameters:
        found["parameters"] = list(parameters)
    if form is not None:
        found["requestBody"] = form
    return found


def _form(
    properties: dict[str, Any], required: Sequence[str], encoding: dict[str, Any]
) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    content: dict[str, Any] = {"schema": schema}
    if encoding:
        content["encoding"] = encoding
    return {"required": True, "content": {"multipart/form-data": content}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _binary(description: str) -> dict[str, Any]:
    content = {"application/octet-stream": {"schema": _FILE}}
    return {"description": description, "content": content}


def _picture() -> dict[str, Any]:
    return {
        "description": "The painted picture, named as on the command line.",
        "content": {f"image/{row.name.lower()}": {"schema": _FILE} for row in WRITTEN},
        "headers": {
            "Server-Timing": {"schema": _TEXT, "description": "Milliseconds of each step."},
            "Impasto-Model": {"schema": _TEXT, "description": "The model that painted it."},
            "Impasto-Remark": {
                "schema": _TEXT,
                "description": "What was lost from the photograph, if anything.",
            },
        },
    }
