"""Devices of PyTorch that run methods, with a precision and a number of threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from impasto.errors import EngineError, OptionError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

# PyTorch's errors if memory is scarce; on a CPU a plain RuntimeError, recognized by its text.
_SCARCE = (MemoryError, torch.OutOfMemoryError)


@dataclass(frozen=True)
class Device:
    """PyTorch device, precision and threads of a method; a :class:`impasto.painting.Runner`.

    Attributes:
        name: as PyTorch calls it.
        precision: of the perceptual network; pixels and losses are always in float32.
        threads: largest number of threads, or None for PyTorch's choice.
    """

    name: str
    precision: str
    threads: int | None

    @property
    def dtype(self) -> torch.dtype:
        """The type of the perceptual network's weights."""
        return DTYPES[self.precision]


def open_device(
    name: str | None, precision: str | None, threads: int | None, *, precisions: Sequence[str]
) -> Device:
    """Open a device and check that it is available.

    Args:
        name: as PyTorch calls it; None: ``cuda`` if available, else ``cpu``.
        precision: one of ``precisions``; None: the first of them.
        threads: 1 or more; None: PyTorch's choice.
        precisions: the ones that the method supports.

    Raises:
        EngineError: if the device is not available.
        OptionError: if precision or threads is not a valid value.
    """
    if precision is not None and precision not in precisions:
        raise OptionError(
            f"there is no precision {precision!r} here; choose {' or '.join(precisions)}"
        )
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise OptionError(f"threads must be a whole number of 1 or more, not {threads!r}")
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, ModuleNotFoundError) as error:
        reason = str(error).split("\n")[0]
        raise EngineError(
            f"methods of the lab run on a device of PyTorch, such as cpu or cuda; {name!r} cannot "
            f"be used ({reason})"
        ) from error
    return Device(name, precision or precisions[0], threads)


@contextmanager
def at_work(device: Device, what: str) -> Iterator[None]:
    """Set the device's number of threads temporarily, and translate out-of-memory errors.

    PyTorch's number of threads is a setting of the whole process.

    Args:
        device: runs the method.
        what: the work, for the error: "NAME to paint W x H pixels".

    Raises:
        EngineError: if memory is scarce.
    """
    before = torch.get_num_threads()
    if device.threads is not None:
        torch.set_num_threads(device.threads)
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, _SCARCE) and "allocate memory" not in str(error):
            raise
        raise EngineError(
            f"there is not enough memory on {device.name} for {what}; give a smaller size"
        ) from error
    finally:
        torch.set_num_threads(before)
