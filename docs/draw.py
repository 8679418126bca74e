"""Run the Python code of pages and save the pictures that they show.

python docs/draw.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent.resolve()
PAGES = ("controls.md", "normalization.md")
BLOCK = re.compile(r"(<!-- not run[^>]*-->\n)?```python\n(.*?)```", re.DOTALL)


def main() -> None:
    """Run each page from top to bottom in a temporary folder and copy its pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=DOCS / "images", help="default: docs/images")
    out = parser.parse_args().out.resolve()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(DOCS.parent / "examples")
        os.chdir(folder)
        for page in PAGES:
            names: dict[str, object] = {}
            for not_run, block in BLOCK.findall((DOCS / page).read_text()):
                if not not_run:
                    exec(block, names)
        os.chdir(DOCS)
        out.mkdir(parents=True, exist_ok=True)
        for picture in sorted(Path(folder).glob("*.jpg")):
            print(shutil.copy(picture, out))


if __name__ == "__main__":
    main()
