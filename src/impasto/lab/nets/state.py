"""Tables of weights in files: read without running code, found under any prefix, and compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from impasto.errors import ModelError
from impasto.images.kinds import OLD_PYTORCH, PICKLE, PYTORCH, SAFETENSORS, kind_of, wrong_kind

WEIGHTS = "weights (.pth or .safetensors)"

_SHOWN = 3


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a PyTorch or safetensors file, without running code from it.

    The format is detected from the first bytes, not from the name. Nested tables get names with
    dots, ``state_dict.1.weight``; :func:`under_prefix` selects from them.

    Raises:
        ModelError: for a file that is missing, damaged, of another kind or without tensors.
    """
    kind = kind_of(path)
    if kind is not None and kind.name == SAFETENSORS:
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except Exception as error:  # its own errors, and types that NumPy lacks
            raise ModelError(f"{path}: is damaged or not {WEIGHTS}; get it again") from error
    tensors = dict(_tensors(read_pickle(path, WEIGHTS)))
    if not tensors:
        raise ModelError(f"{path}: contains no table of tensors; give a state dict")
    return tensors


def read_pickle(path: str | Path, wanted: str, *, device: Any = "cpu") -> Any:
    """Read the value in a file of ``torch.save``, without running code from it.

    Args:
        path: the file.
        wanted: the expected contents, for the message.
        device: where its tensors go.

    Raises:
        ModelError: for a file that is missing, damaged or of another kind, or holds other objects
            than tensors, numbers and texts.
    """
    kind = kind_of(path)
    if kind is None or kind.name not in (PYTORCH, OLD_PYTORCH, PICKLE):
        raise ModelError(wrong_kind(path, wanted))
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything
        if any(each in str(error) for each in ("Unsupported", "GLOBAL", "allowlist")):
            raise ModelError(
                f"{path}: contains Python objects besides tensors (such as a whole network), and "
                "reading those would run their code; give a state dict: "
                "torch.save(network.state_dict(), 'NAME.pth')"
            ) from error
        if kind.name == PICKLE:
            raise ModelError(wrong_kind(path, wanted)) from error
        raise ModelError(f"{path}: is damaged or not {wanted}; get it again") from error


def weights_metadata(path: str | Path) -> dict[str, str]:
    """Return the metadata of a file of weights: that of safetensors; empty for other formats.

    Raises:
        ModelError: for a file that is missing or damaged.
    """
    kind = kind_of(path)
    if kind is None:
        raise ModelError(wrong_kind(path, WEIGHTS))
    if kind.name != SAFETENSORS:
        return {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: is damaged or not {WEIGHTS}; get it again") from error


def under_prefix(weights: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    """Return the weights of these names, without the prefix that they share in a table.

    So ``module.1.weight`` (``DataParallel``), ``decoder.1.weight`` (a whole network) and
    ``state_dict.decoder.1.weight`` (a checkpoint) all are ``1.weight``. Of several prefixes the
    shortest is used.

    Returns:
        Only those weights; the unchanged table where no prefix has all the names.

    Example:
        >>> list(under_prefix({"module.a": torch.ones(1), "epoch": torch.ones(1)}, ["a"]))
        ['a']
    """
    first = next(iter(names), "")
    prefixes = [
        key.removesuffix(first)
        for key in weights
        if key == first or (first and key.endswith(f".{first}"))
    ]
    for prefix in sorted(prefixes, key=lambda each: (len(each), each)):
        if all(prefix + name in weights for name in names):
            return {name: weights[prefix + name] for name in names}
    return dict(weights)


def load_into(network: nn.Module, weights: Mapping[str, Tensor], source: object, what: str) -> None:
    """Call ``load_state_dict``, and raise a one-line error where it fails.

    Args:
        network: gets the weights.
        weights: all of them and no others.
        source: the file, for the message.
        what: the expected contents, such as "the network", for the message.

    Raises:
        ModelError: with the number of weights that differ, and the first of them.
    """
    if differing := difference(network.state_dict(), weights):
        raise ModelError(f"{source} does not fit {what}: {differing}")
    network.load_state_dict(dict(weights))


def difference(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Describe the differences of a table of weights from the expected one; "" for none.

    Example:
        >>> difference({"a": torch.ones(2), "b": torch.ones(1)}, {"a": torch.ones(3)})
        '1 of 2 weights is missing (b); 1 has another shape (a: 3 instead of 2)'
    """
    missing = [key for key in own if key not in given]
    unknown = [key for key in given if key not in own]
    shapes = [
        f"{key}: {_shape(given[key])} instead of {_shape(own[key])}"
        for key in own
        if key in given and given[key].shape != own[key].shape
    ]
    parts = []
    if missing:
        be = "is" if len(missing) == 1 else "are"
        parts.append(f"{len(missing)} of {len(own)} weights {be} missing ({_first(missing)})")
    if unknown:
        be = "is" if len(unknown) == 1 else "are"
        parts.append(f"{len(unknown)} {be} unknown ({_first(unknown)})")
    if shapes:
        have = "has another shape" if len(shapes) == 1 else "have other shapes"
        parts.append(f"{len(shapes)} {have} ({_first(shapes)})")
    return "; ".join(parts)


def _tensors(value: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield prefix or "tensor", value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _tensors(each, f"{prefix}.{key}" if prefix else str(key))


def _first(texts: list[str]) -> str:
    return ", ".join(texts[:_SHOWN]) + (", ..." if len(texts) > _SHOWN else "")


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
