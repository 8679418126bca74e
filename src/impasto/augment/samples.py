"""Samples of a data set: find the part that is the picture, and leave the rest as it is.

A sample is a picture, or dictionaries, lists and tuples of parts, as torchvision's transforms take
them. The parts to paint are chosen by the first rule that matches any:

1. what torchvision calls an image or a video (``tv_tensors.Image``, ``tv_tensors.Video``);
2. the first entry of a dictionary that is called ``image``;
3. the first Pillow image;
4. the first array or tensor of three axes or more with 1, 3 or 4 channels, unless torchvision calls
   it a mask, boxes or key points.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from impasto.augment.draws import loaded_torch
from impasto.errors import ImageError

_KEY = "image"
_CHANNELS = (1, 3, 4)


def painted_sample(sample: Any, paint: Callable[[Any], Any]) -> Any:
    """Return a sample with its picture painted; parts that are not painted stay the same objects.

    Args:
        sample: a picture, or a dictionary, list or tuple with one in it.
        paint: from a picture to a painted one.

    Raises:
        ImageError: if no part of it is a picture.

    Example:
        >>> picture, label = Image.new("L", (2, 2)), 7
        >>> painted_sample({"a": label, "b": [picture]}, lambda image: image.size)
        {'a': 7, 'b': [(2, 2)]}
    """
    if not _is_container(sample):
        return paint(sample)
    leaves = list(_leaves(sample))
    chosen = _chosen(leaves)
    if not chosen:
        kinds = ", ".join(dict.fromkeys(type(leaf).__name__ for _, leaf in leaves)) or "nothing"
        raise ImageError(
            f"the sample contains no picture (contents: {kinds}); give a Pillow image, or an array "
            "or tensor with three axes or more, or name its entry 'image'"
        )
    parts = [paint(leaf) if i in chosen else leaf for i, (_, leaf) in enumerate(leaves)]
    return _with(sample, iter(parts))


def is_array(value: Any) -> bool:
    """Return True for an array of NumPy or a tensor of PyTorch."""
    torch = loaded_torch()
    return isinstance(value, np.ndarray) or (torch is not None and isinstance(value, torch.Tensor))


def torchvision_kind(value: Any) -> str:
    """Return the name of torchvision's type of a tensor, such as "Mask"; "" for any other.

    Example:
        >>> torchvision_kind(np.zeros(3))
        ''
    """
    for each in type(value).__mro__:
        if each.__module__.startswith("torchvision.tv_tensors") and each.__name__ != "TVTensor":
            return each.__name__
    return ""


def _chosen(leaves: list[tuple[Any, Any]]) -> set[int]:
    """The positions of the pictures among the leaves, which are pairs of a key and a value."""
    typed = {i for i, (_, x) in enumerate(leaves) if torchvision_kind(x) in ("Image", "Video")}
    if typed:
        return typed
    for rule in (_is_called_so, _is_pillow, _looks_like_a_picture):
        for i, (key, leaf) in enumerate(leaves):
            if rule(key, leaf):
                return {i}
    return set()


def _is_called_so(key: Any, leaf: Any) -> bool:
    return bool(key == _KEY) and (isinstance(leaf, Image.Image) or is_array(leaf))


def _is_pillow(key: Any, leaf: Any) -> bool:
    return isinstance(leaf, Image.Image)


def _looks_like_a_picture(key: Any, leaf: Any) -> bool:
    if not is_array(leaf) or leaf.ndim < 3 or torchvision_kind(leaf):
        return False
    return leaf.shape[-3] in _CHANNELS or leaf.shape[-1] in _CHANNELS


def _is_container(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _leaves(value: Any, key: Any = None) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(each, name)
    elif _is_container(value):
        for each in value:
            yield from _leaves(each, key)
    else:
        yield key, value


def _with(value: Any, parts: Iterator[Any]) -> Any:
    """A container with parts in the order of :func:`_leaves`; the same one if nothing changed."""
    if not _is_container(value):
        return next(parts)
    before = list(value.values()) if isinstance(value, Mapping) else list(value)
    after = [_with(each, parts) for each in before]
    if all(one is other for one, other in zip(before, after, strict=True)):
        return value
    if isinstance(value, Mapping):
        made: Any = copy.copy(value)  # keeps the other attributes of a kind of dictionary
        for name, part in zip(value, after, strict=True):
            made[name] = part
        return made
    if hasattr(value, "_fields"):  # a named tuple
        return type(value)(*after)
    return type(value)(after)
