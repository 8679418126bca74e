"""Run the Python of ``controls.md`` and keep the pictures that it makes in ``docs/images``.

python docs/draw.py
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent.resolve()


def main() -> None:
    code = re.findall(r"```python\n(.*?)```", (DOCS / "controls.md").read_text(), re.DOTALL)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(DOCS.parent / "examples")
        os.chdir(folder)
        names: dict[str, object] = {}
        for block in code:
            exec(block, names)
        os.chdir(DOCS)
        (DOCS / "images").mkdir(exist_ok=True)
        for picture in sorted(Path(folder).glob("*.jpg")):
            shutil.copy(picture, DOCS / "images" / picture.name)
            print(DOCS / "images" / picture.name)


if __name__ == "__main__":
    main()
