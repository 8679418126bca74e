"""Impasto in ComfyUI: nodes that paint images in the style of others, on the processor.

ComfyUI looks for ``NODE_CLASS_MAPPINGS`` first and would overlook ``comfy_entrypoint`` beside it.
So the nodes are registered in one way alone: by the V3 schema, or by V1 where that is not yet.
"""

from __future__ import annotations

from . import installed

installed.check()

try:
    from .v3 import comfy_entrypoint

    __all__ = ["comfy_entrypoint"]
except installed.NoV3:
    from .v1 import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

    __all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
