"""Methods that compare patches: peak memory, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lab_parts import vgg_weights

EXAMPLES = Path(__file__).parents[1] / "examples"

PAINT = """
import re, resource, sys
from pathlib import Path
import torch
import impasto
from impasto.images import read_photo
from impasto.images.resizing import resize
from impasto.lab.nets.precision import has_bf16

name, size, vgg, *files = sys.argv[1:]
size = int(size)
content, style = (resize(read_photo(file).image, size)[:size, :size] for file in files)
# The quicker one: a processor that emulates bfloat16 takes minutes. Single precision holds a tenth
# more.
method = impasto.load(name, vgg=vgg, precision="bf16" if has_bf16(torch.device("cpu")) else "fp32")
# One gradient a stage: every stage searches for patches before its first.
method.stylize(content, style, steps=getattr(method.painter.method.options(), "scales", 1))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.platform == "linux":  # where it starts at the size of the parent
    peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(peak if sys.platform == "darwin" else peak * 1024)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="asks for the peak as POSIX tells it")
@pytest.mark.parametrize(
    ("name", "size", "limit"),
    [
        pytest.param("cnnmrf", 512, 4e9, marks=pytest.mark.long),  # minutes on two cores
        ("cnnmrf", 256, 1.5e9),
        ("style-swap", 512, 4e9),
    ],
)
def test_peak(name, size, limit, tmp_path):
    torch.save(vgg_weights(last="conv4_2"), tmp_path / "vgg.pth")
    files = EXAMPLES / "photos/coffee.jpg", EXAMPLES / "styles/wave.jpg"
    done = subprocess.run(
        [sys.executable, "-c", PAINT, name, str(size), str(tmp_path / "vgg.pth"), *map(str, files)],
        check=True,
        capture_output=True,
    )
    assert 0.2e9 < int(done.stdout) < limit
