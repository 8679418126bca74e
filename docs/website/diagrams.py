"""The two drawings of docs/how-it-works.md: the house of the code, and the arithmetic.

python docs/website/diagrams.py [--out FOLDER]

Both are drawn on a light ground with dark ink, so that they can be read on a dark page too.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

from sitemap import ROOT

INK, SOFT, LINE, GROUND = "#1d2733", "#55606e", "#8a94a3", "#fbfaf7"
COLORS = {"picture": "#f4d9b0", "network": "#cfe0f2", "moments": "#d5ead0", "plain": "#ece9e2"}
FONT = "font-family='Helvetica, Arial, sans-serif'"


class Drawing:
    """A drawing of boxes and arrows, in the order in which they are added."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            "<defs><marker id='tip' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='7' "
            f"markerHeight='7' orient='auto'><path d='M0 0L10 5L0 10z' fill='{SOFT}'/></marker>"
            "</defs>",
            f"<rect width='{width}' height='{height}' rx='8' fill='{GROUND}'/>",
        ]

    def box(
        self, place: tuple[int, int], size: tuple[int, int], lines: str, kind: str = "plain"
    ) -> None:
        """Draw a box; of its lines the first is bold."""
        (x, y), (width, height) = place, size
        self._parts.append(
            f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='6' "
            f"fill='{COLORS[kind]}' stroke='{LINE}'/>"
        )
        texts = lines.split("\n")
        top = y + height / 2 - 9.5 * (len(texts) - 1) + 5
        for number, text in enumerate(texts):
            weight, size_, color = ("bold", 15, INK) if number == 0 else ("normal", 13, SOFT)
            self.text((x + width // 2, int(top + 19 * number)), text, size_, color, weight)

    def text(
        self,
        place: tuple[int, int],
        text: str,
        size: int = 13,
        color: str = SOFT,
        weight: str = "normal",
    ) -> None:
        """Write a line, centered."""
        self._parts.append(
            f"<text x='{place[0]}' y='{place[1]}' text-anchor='middle' font-size='{size}' "
            f"font-weight='{weight}' fill='{color}' {FONT}>{escape(text)}</text>"
        )

    def arrow(self, *points: tuple[int, int]) -> None:
        """Draw an arrow along points."""
        way = " ".join(f"{x},{y}" for x, y in points)
        self._parts.append(
            f"<polyline points='{way}' fill='none' stroke='{SOFT}' stroke-width='1.6' "
            "marker-end='url(#tip)'/>"
        )

    def save(self, path: Path) -> None:
        """Write the drawing."""
        path.write_text(self.text_of_file(), encoding="utf-8")

    def text_of_file(self) -> str:
        """The drawing as SVG."""
        return "\n".join([*self._parts, "</svg>"]) + "\n"


def arithmetic() -> Drawing:
    """What happens between a photograph, a style and the result."""
    drawing = Drawing(
        940, 330, "A photograph and a style are encoded, aligned channel by channel and decoded"
    )
    drawing.box((20, 40), (130, 70), "photograph\nonce a picture", "picture")
    drawing.box((20, 220), (130, 70), "style\nonce, then kept", "picture")
    drawing.box((190, 40), (170, 70), "encoder\na fixed network", "network")
    drawing.box((190, 220), (170, 70), "encoder, reader\nfixed networks", "network")
    drawing.box((400, 40), (220, 70), "align each channel\n(x − mean) / dev × s + m", "moments")
    drawing.box((400, 220), (220, 70), "mean m, deviation s\na few hundred numbers", "moments")
    drawing.box((660, 40), (120, 70), "decoder\nfixed, too", "network")
    drawing.box((820, 40), (100, 70), "painting", "picture")
    drawing.arrow((150, 75), (188, 75))
    drawing.arrow((150, 255), (188, 255))
    drawing.arrow((360, 75), (398, 75))
    drawing.arrow((360, 255), (398, 255))
    drawing.arrow((510, 220), (510, 112))
    drawing.arrow((620, 75), (658, 75))
    drawing.arrow((780, 75), (818, 75))
    drawing.text((700, 160), "The controls act here:")
    drawing.text((700, 180), "strength, mixtures, masks")
    drawing.text((780, 250), "No network is trained")
    drawing.text((780, 270), "for a new style.")
    return drawing


ROOMS = {
    "lab": "networks, training, judging: all that needs PyTorch",
    "cli": "the command impasto",
    "augment": "for training",
    "batch": "many pictures",
    "dataset": "data sets",
    "doctor": "what is wrong",
    "video": "films, cameras",
    "web": "page, server",
    "stylizer": "load() and Stylizer: one model and its styles, from picture to picture",
    "painting": "painters, tiles, memory",
    "styles": "a style as a value, its file, the library",
    "models": "bundles, engines, the gallery",
    "controls": "the arithmetic between the networks",
    "images": "files, colors, depth",
    "errors": "one tree of errors",
}
"""The packages of the house, and what is in them."""


def house() -> Drawing:
    """The packages of the code, floor by floor as the contract of their imports says."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["name"] == "Layers")
    height = 78
    drawing = Drawing(
        940, 20 + height * len(layers), "The packages of Impasto; each knows only those below it"
    )
    kinds = ("network", "plain", "plain", "moments", "moments", "plain", "moments", "picture")
    for floor, layer in enumerate(layers):
        rooms = layer.split(" : ")
        top, width = 20 + height * floor, (900 - 12 * (len(rooms) - 1)) // len(rooms)
        for number, name in enumerate(rooms):
            place = (20 + number * (width + 12), top)
            drawing.box(place, (width, 52), f"{name}\n{ROOMS[name]}", kinds[floor % len(kinds)])
        if floor < len(layers) - 1:
            drawing.arrow((470, top + 54), (470, top + height - 2))
    return drawing


DRAWINGS = {"how-arithmetic.svg": arithmetic, "how-house.svg": house}


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    images = ROOT / "docs" / "images"
    parser.add_argument("--out", type=Path, default=images, help="default: docs/images")
    out = parser.parse_args().out
    for name, draw in DRAWINGS.items():
        draw().save(out / name)
        print(out / name)


if __name__ == "__main__":
    main()
