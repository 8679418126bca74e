"""Reads pictures from its standard input under a limit of memory, and says how each of them went.

Each comes as its length (8 bytes, big-endian) and its bytes. It is read as a whole and by windows,
as Python and the command do it. The answer is a line of JSON: what became of it, and the memory
that the process holds.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
from mutated_files import seeds

from impasto.errors import ImageError
from impasto.images import strips_in
from impasto.images.sources import open_picture

MAX_PIXELS = 1_000_000
ROWS = 64


def main(extra: int) -> None:
    """Answer until the input ends, with ``extra`` bytes of memory beside those in use at first."""
    warnings.simplefilter("ignore")
    strips_in._STRIP_BYTES = 2000  # small pictures too come in several strips
    for data in seeds().values():  # whatever a decoder loads once is there now
        with_photo(data)
    limit = held(0) + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print("ready", flush=True)
    while head := sys.stdin.buffer.read(8):
        data = sys.stdin.buffer.read(struct.unpack(">Q", head)[0])
        print(json.dumps([*with_photo(data), held()]), flush=True)


def held(column: int = 1) -> int:
    """Bytes of memory in use; of column 0 those that are reserved."""
    pages = int(Path("/proc/self/statm").read_text().split()[column])
    return pages * resource.getpagesize()


def with_photo(data: bytes) -> list[str]:
    """What became of a file: a picture, the error that we have for it, or anything else."""
    found = [_read(data, by_windows) for by_windows in (False, True)]
    whole, parts = found
    if whole[0] == parts[0] == "picture" and whole != parts:
        return ["other", f"{whole[1]} as a whole, {parts[1]} by windows"]
    return next((each for each in found if each[0] != "picture"), whole)


def _read(data: bytes, by_windows: bool) -> list[str]:
    try:
        with open_picture(io.BytesIO(data), max_pixels=MAX_PIXELS) as picture:
            source = picture.source() if by_windows else picture.photo()
            height, width = source.height, source.width
            low, high = 1.0, 0.0
            for top in range(0, height, ROWS):
                rows = slice(top, min(height, top + ROWS))
                image, _ = source.window(rows, slice(0, width))
                if image.dtype != np.float32:
                    return ["other", f"{image.dtype}"]
                low, high = min(low, float(image.min())), max(high, float(image.max()))
            told = f"{height} x {width} {picture.remark}"
    except ImageError as error:
        return ["error", str(error)]
    except BaseException:  # what must not be
        return ["other", traceback.format_exc()]
    if not 0 <= low <= high <= 1:
        return ["other", f"values from {low} to {high}"]
    return ["picture", told]


if __name__ == "__main__":
    main(int(sys.argv[1]))
