"""The two drawings of docs/how-it-works.md: the house of the code, and the arithmetic.

python docs/website/diagrams.py [--out FOLDER]

Both are drawn on a light ground with dark ink, so that they can be read on a dark page too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from xml.sax.saxutils import escape

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
        path.write_text("\n".join([*self._parts, "</svg>"]) + "\n", encoding="utf-8")


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


def house() -> Drawing:
    """The packages of the code, what may know what."""
    drawing = Drawing(900, 560, "The packages of Impasto; a package knows only those below it")
    floors = [
        (20, (("cli", "the command impasto"), ("lab", "networks, training, judging: PyTorch"))),
        (
            110,
            (
                ("batch", "many pictures"),
                ("video", "films and cameras"),
                ("web", "the page, the server"),
            ),
        ),
        (200, (("stylizer", "load(), Stylizer: one model, its styles, from picture to picture"),)),
        (290, (("painting", "painters, tiles, memory"),)),
        (380, (("styles", "a style as a value"), ("models", "bundles, engines, gallery"))),
        (470, (("controls", "the arithmetic of the middle"), ("images", "files, colors, depth"))),
    ]
    kinds = ("plain", "plain", "network", "network", "moments", "picture")
    for (top, rooms), kind in zip(floors, kinds, strict=True):
        width = (860 - 20 * (len(rooms) - 1)) // len(rooms)
        for number, (name, what) in enumerate(rooms):
            box = (20 + number * (width + 20), top)
            drawing.box(box, (width, 60), f"{name}\n{what}", kind)
        if top < 470:
            drawing.arrow((450, top + 62), (450, top + 88))
    return drawing


DRAWINGS = {"how-arithmetic.svg": arithmetic, "how-house.svg": house}


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    images = Path(__file__).resolve().parents[1] / "images"
    parser.add_argument("--out", type=Path, default=images, help="default: docs/images")
    out = parser.parse_args().out
    for name, draw in DRAWINGS.items():
        draw().save(out / name)
        print(out / name)


if __name__ == "__main__":
    main()
