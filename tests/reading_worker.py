"""Reads pictures from its standard input under a limit of memory, and says how each of them went.

Each comes as its length (8 bytes, big-endian) and its bytes. The answer is a line of JSON.
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
from impasto.images.photo import read_photo

MAX_PIXELS = 1_000_000


def main(extra: int) -> None:
    """Answer until the input ends, with ``extra`` bytes of memory beside those in use at first."""
    warnings.simplefilter("ignore")
    for data in seeds().values():  # whatever a decoder loads once is there now
        with_photo(data)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    print("ready", flush=True)
    while head := sys.stdin.buffer.read(8):
        data = sys.stdin.buffer.read(struct.unpack(">Q", head)[0])
        print(json.dumps(with_photo(data)), flush=True)


def with_photo(data: bytes) -> list[str]:
    """What became of a file: a picture, the error that we have for it, or anything else."""
    try:
        photo = read_photo(io.BytesIO(data), max_pixels=MAX_PIXELS)
    except ImageError as error:
        return ["error", str(error)]
    except BaseException:  # what must not be
        return ["other", traceback.format_exc()]
    low, high = float(photo.image.min()), float(photo.image.max())
    if not (0 <= low <= high <= 1) or photo.image.dtype != np.float32:
        return ["other", f"{photo.image.dtype} from {low} to {high}"]
    return ["picture", f"{photo.image.shape}"]


if __name__ == "__main__":
    main(int(sys.argv[1]))
