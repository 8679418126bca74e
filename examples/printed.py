"""Styles with an outline: cut wood, printed color, leaded glass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from paintbox import (
    Field,
    H,
    W,
    X,
    Y,
    blur,
    clouds,
    finish,
    over,
    ramp,
    rgb,
    spline,
    step,
)
from PIL import Image, ImageDraw


def woodcut() -> Image.Image:
    """Ink hatching: a red sun over cut mountains, firs and a lake, on warm paper."""
    rng = np.random.default_rng(31)
    shake, chip = clouds(rng, 0.12), clouds(rng, 0.02, octaves=2)
    sun_x, sun_y = 0.80, 0.27
    turn = np.arctan2(Y - sun_y, X - sun_x)
    ray = np.hypot(X - sun_x, Y - sun_y)
    ink = np.zeros((H, W))

    def hatch(phase: Field, tone: Field) -> Field:
        """Cut lines where ``phase`` passes whole numbers; ``tone`` is the share of ink."""
        saw = abs((phase + 0.10 * shake) % 1 - 0.5) * 2
        return step(np.clip(tone, 0, 1.1) + 0.07 * chip - saw, 0, 0.16)

    sky = 0.10 + 0.95 * np.clip(ray - 0.16, 0, 1) ** 0.8
    rays = np.where(ray + 0.01 * shake < 0.42, 120, np.where(ray + 0.01 * shake < 0.85, 240, 480))
    ink = hatch(turn / (2 * np.pi) * rays, sky * (0.85 + 0.15 * np.sin(ray * 40)))
    band = np.exp(-(((Y - 0.13 - 0.03 * np.sin(5 * X)) / 0.035) ** 2)) * (X < 0.72)
    band += np.exp(-(((Y - 0.33 - 0.02 * np.sin(6 * X + 2)) / 0.022) ** 2)) * (X > 0.95)
    cloud = step(band + 0.12 * shake, 0.5)
    ink = ink * (1 - cloud) + cloud * hatch(Y * 95 + 0.6 * shake, 0.75 - band)
    red = step(0.125 - ray - 0.0006 * chip) * (1 - cloud)
    ink *= 1 - step(0.14 - ray)

    def ridge(base: float, *peaks: tuple[float, float, float]) -> Field:
        """The highest of some tents (x, height, half width), rough at the edge."""
        tents = [h * np.clip(1 - abs(X - x) / w, 0, 1) for x, h, w in peaks]
        rough = 0.012 * np.interp(X[0], np.linspace(0, 1.25, 90), rng.standard_normal(90))
        tops: Field = base - np.maximum.reduce(tents) + rough
        return tops

    for base, dark, peaks in (
        (
            0.66,
            0.0,
            ((0.12, 0.26, 0.30), (0.40, 0.38, 0.30), (0.66, 0.22, 0.26), (1.08, 0.30, 0.36)),
        ),
        (
            0.70,
            0.22,
            ((0.00, 0.26, 0.32), (0.57, 0.17, 0.34), (0.90, 0.24, 0.30), (1.3, 0.26, 0.34)),
        ),
    ):
        top = ridge(base, *peaks)
        depth = Y - top
        lean = (
            W * 0.8 / 1.25 * (0.30 * depth + 0.02 * np.sin(60 * depth) * np.clip(8 * depth, 0, 1))
        )
        fall = np.sign(np.gradient(blur(top, 0.012)[0]))
        slope = fall[np.clip(np.arange(W) - lean, 0, W - 1).astype(int)]
        spur = np.sin(X * 46 + 30 * depth + 1.4 * shake + dark * 20) * np.clip(depth * 9, 0, 1)
        lit = (slope * 1.0 + 0.9 * spur) < 0
        cut = hatch((Y * 0.85 - slope * X * 0.5) * 92, np.where(lit, 0.16, 0.74) + dark * 0.7)
        snow = (depth < 0.075 + 0.02 * shake) & lit & (dark == 0)
        cut = np.where(snow, 0, cut)
        cut = np.maximum(cut, step(0.006 - abs(depth), soft=0.003))
        ink = np.where(depth > 0, cut, np.maximum(ink, step(0.004 - abs(depth))))
        red = red * (depth < 0)

    lake = 0.70
    near = np.clip((Y - lake) / 0.3, 0, 1)
    glow = np.exp(-(((X - sun_x) / (0.05 + 0.14 * near)) ** 2))
    wave = (
        np.log(np.clip(Y - lake, 0, 1) + 0.06) * 21
        + 0.25 * np.sin(X * 38 + 30 * near)
        + 0.2 * shake
    )
    water = hatch(wave, 0.62 + 0.2 * np.sin(X * 9 + 22 * near) - 0.75 * glow)
    ink = np.where(lake < Y, water, ink)
    ink = np.maximum(ink, step(0.004 - abs(Y - lake)))
    red = np.maximum(red, (lake < Y) * hatch(wave + 0.5, 1.3 * glow - 0.5) * (glow > 0.35))

    bank = 0.90 - 0.05 * np.sin(3.2 * X + 0.6) - 0.05 * np.clip(0.5 - X, 0, 1)
    grass = hatch(X * 70 + 22 * (Y - bank) * np.sin(9 * X), 0.92 - 3.2 * (Y - bank))
    ink = np.where(bank < Y, grass, ink)
    ink = np.maximum(ink, step(0.006 - abs(Y - bank)))
    for x, foot, tall in (
        (0.94, 0.92, 0.34),
        (0.34, 0.9, 0.42),
        (1.16, 0.95, 0.52),
        (1.05, 0.95, 0.28),
        (0.23, 0.93, 0.56),
        (0.08, 0.97, 0.80),
    ):
        up = (foot - Y) / tall
        tier = (up * (7 + tall * 9)) % 1
        wide = tall * 0.17 * np.clip(1 - up, 0, 1) * (1.12 - 0.62 * tier)
        wide *= 1 + 0.16 * np.sin(900 * X * tall) * tier
        side = (X - x) / (wide + 1e-6)
        tree = (abs(side) < 1) & (up > 0.04) & (up < 1)
        needles = hatch(
            Y * 66 + 34 * abs(X - x) / tall**0.5, 0.86 - 0.62 * (side > 0.2) * abs(side)
        )
        halo = (abs(X - x) < wide + 0.006) & (up > 0.03) & (up < 1.015)
        ink = np.where(halo, 0, ink)
        red = red * (1 - halo)
        ink = np.where(tree, np.maximum(needles, step(0.55 - abs(side))), ink)
        ink = np.maximum(ink, step(tall * 0.018 - abs(X - x)) * (up < 0.08) * (up > -0.02))

    frame = np.minimum.reduce([X, Y, 1.25 - X, 1 - Y])
    ink = np.where(frame < 0.035, 0, np.maximum(ink, step(0.004 - abs(frame - 0.037))))
    red *= frame > 0.035
    fiber = 0.018 * clouds(rng, 0.01, octaves=2, stretch=5) + 0.012 * clouds(rng, 0.4)
    paper = ramp(np.clip(0.5 + 4 * fiber, 0, 1), "e9d9b6", "f2e6c9", "f8efd9")
    salt = 0.93 + 0.07 * step(clouds(rng, 0.008, octaves=2), -1.5, 1)
    picture = over(paper, rgb("cf3a22")[0], red * salt * 0.95)
    return finish(over(picture, rgb("1b1a22")[0], ink * salt * 0.96))


def wave() -> Image.Image:
    """A breaking wave in flat printed colors with outlines, a far mountain and a boat."""
    rng = np.random.default_rng(3)
    line, deep, blue, pale, foam = "#16264f", "#1d3f7a", "#3d74ab", "#9cc3cf", "#f6efdc"
    sky = ramp(np.clip(Y / 0.78, 0, 1), "6f9db0", "d8cfae", "f2dcae", "f3c99a", "e89f7e")
    sun = step(0.105 - np.hypot(X - 0.93, Y - 0.25))
    sky = over(sky, ramp(np.clip((Y - 0.15) / 0.2, 0, 1), "d8402e", "ee7a4c"), sun)
    for base, tint in ((0.16, "f5e6c4"), (0.47, "f7d9b0"), (0.55, "f0c6a6")):
        drift = base + 0.02 * np.sin(6 * X + 40 * base)
        bank = 0.014 + 0.02 * np.sin(3 * X + 11 * base) - abs(Y - drift)
        sky = over(sky, rgb(tint)[0], step(bank, soft=0.003) * 0.85)
    sheet = Image.fromarray((np.clip(sky, 0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(sheet)

    def area(points: Field, color: str, outline: int = 4) -> None:
        draw.polygon([tuple(p) for p in points], fill=color)
        if outline:
            draw.line([tuple(p) for p in [*points, points[0]]], line, outline, joint="curve")

    def body(back: Field, face: Field, stripes: Sequence[str]) -> None:
        """Water between two curves, in stripes that run with the wave."""
        area(np.concatenate([back, face[::-1]]), deep)
        edges = np.linspace(0, 1, len(stripes) + 1)[:, None, None] ** 1.1
        curves = back + (face - back) * edges
        for upper, lower, color in zip(curves[:-1], curves[1:], stripes, strict=True):
            taper = (0.88 * np.sin(np.linspace(0.15, np.pi - 0.1, len(back))) ** 0.5)[:, None]
            draw.polygon(
                [tuple(p) for p in [*upper, *(upper + (lower - upper) * taper)[::-1]]], color
            )
            draw.line([tuple(p) for p in upper], line, 3, joint="curve")
        draw.line([tuple(p) for p in face], line, 4, joint="curve")

    def claws(edge: Field, out: float, size: float, every: int) -> list[tuple[float, float, float]]:
        """Hooked fingers of foam along an edge, as discs (x, y, radius)."""
        discs = []
        for k in range(0, len(edge) - 2, every):
            way = edge[k + 1] - edge[k]
            heading = np.arctan2(way[1], way[0]) + out + rng.normal(0, 0.15)
            reach = (
                size
                * rng.uniform(0.6, 1.25)
                * (0.5 + 0.5 * np.sin(np.pi * (k + 8) / (len(edge) + 8)))
            )
            for fork in (-0.6, 0.0, 0.55):
                here, turn = edge[k].copy(), heading + fork
                for n in range(16):
                    discs.append((here[0], here[1], reach * H * 0.17 * (1 - n / 17)))
                    here = here + np.array([np.cos(turn), np.sin(turn)]) * reach * H / 15
                    turn += 0.10 * np.sign(fork + 0.2) + 0.035 * n * 0.5
        return discs

    def froth(discs: Sequence[tuple[float, float, float]], tint: str = foam) -> None:
        for grow, color in ((3.0, line), (0.0, tint)):
            for x, y, r in discs:
                draw.ellipse((x - r - grow, y - r - grow, x + r + grow, y + r + grow), fill=color)

    # far away: the mountain with its snow, the flat sea, a boat with rowers
    peak = spline(
        (0.55, 0.78), (0.70, 0.66), (0.775, 0.575), (0.82, 0.575), (0.90, 0.66), (1.08, 0.78)
    )
    area(peak, "#34558c")
    snow = spline(
        (0.715, 0.645),
        (0.775, 0.575),
        (0.82, 0.575),
        (0.885, 0.645),
        (0.86, 0.66),
        (0.835, 0.64),
        (0.81, 0.675),
        (0.785, 0.645),
        (0.755, 0.675),
        (0.745, 0.645),
        (0.715, 0.647),
    )
    area(snow, foam, 3)
    area(np.concatenate([spline((0.3, 0.77), (0.8, 0.745), (1.3, 0.765)), [[W, H], [0, H]]]), blue)
    for k in range(16):
        y = 0.78 + 0.014 * k
        draw.line(
            [
                tuple(p)
                for p in spline((0.4, y), (0.7, y + 0.012 * (-1) ** k), (1.0, y), (1.3, y + 0.01))
            ],
            (deep, pale)[k % 2],
            5,
        )

    hull = spline(
        (0.70, 0.80),
        (0.80, 0.865),
        (0.98, 0.86),
        (1.12, 0.775),
        (1.00, 0.80),
        (0.84, 0.81),
        (0.70, 0.797),
    )
    area(hull, "#e3b866")
    for k in range(6):
        x = 0.80 + 0.042 * k
        draw.ellipse([v * H for v in (x, 0.775, x + 0.022, 0.80)], "#efd0a8", line, 3)
        area(
            spline((x - 0.008, 0.815), (x, 0.797), (x + 0.024, 0.797), (x + 0.03, 0.815), count=30),
            "#b5362a",
            3,
        )

    # the great wave: water, then foam along its crown and claws on its lip
    back = spline(
        (-0.55, 1.2),
        (-0.16, 0.68),
        (0.10, 0.36),
        (0.24, 0.17),
        (0.42, 0.075),
        (0.60, 0.12),
        (0.70, 0.25),
        (0.725, 0.38),
    )
    face = spline(
        (0.80, 1.02),
        (0.55, 0.93),
        (0.38, 0.78),
        (0.335, 0.58),
        (0.40, 0.40),
        (0.54, 0.31),
        (0.715, 0.385),
    )
    body(back, face, (blue, deep, pale, deep, blue, deep, pale, deep, blue, deep, foam, deep))
    lip = np.concatenate(
        [
            spline((0.47, 0.10), (0.60, 0.12), (0.70, 0.25), (0.725, 0.38), count=60),
            spline((0.72, 0.39), (0.60, 0.33), (0.52, 0.33), (0.42, 0.40), count=50),
        ]
    )
    crown = spline((0.05, 0.42), (0.14, 0.31), (0.24, 0.17), (0.42, 0.075), (0.56, 0.09), count=70)
    mass = [
        (x, y, rng.uniform(0.014, 0.030) * H) for x, y in np.concatenate([lip[::2], crown[::2]])
    ]
    mass += [
        (x, y, 0.034 * H)
        for x, y in spline((0.62, 0.16), (0.67, 0.25), (0.685, 0.34), (0.60, 0.29), count=22)
    ]
    froth(claws(lip, 0.55, 0.075, 5), pale)
    froth(mass + claws(lip, -0.5, 0.085, 4) + claws(crown, -0.35, 0.045, 4))
    drops = lip + rng.normal(0, 0.012 * H, lip.shape)
    froth([(x, y, rng.uniform(0.003, 0.009) * H) for x, y in drops[::3]], pale)

    back = spline(
        (0.80, 1.05), (0.93, 0.92), (1.05, 0.80), (1.13, 0.74), (1.19, 0.77), (1.30, 0.90)
    )
    face = spline((0.84, 1.1), (1.02, 1.02), (1.12, 0.97), (1.18, 0.93), (1.24, 0.95), (1.32, 1.0))
    area(np.concatenate([back, [[W + 50, H + 50], [0.8 * H, H + 50]]]), deep)
    body(back, face, (blue, deep, pale, deep, blue))
    froth(
        [(x, y, rng.uniform(0.010, 0.020) * H) for x, y in back[40:135:3]]
        + claws(back[50:130], -0.9, 0.05, 7)
    )
    back = spline(
        (-0.05, 0.86), (0.12, 0.80), (0.24, 0.78), (0.36, 0.86), (0.55, 0.97), (0.75, 1.05)
    )
    face = spline((-0.05, 1.04), (0.1, 1.0), (0.2, 0.98), (0.33, 1.0), (0.5, 1.04), (0.7, 1.1))
    area(np.concatenate([back, [[0.75 * H, H + 50], [-50, H + 50]]]), deep)
    body(back, face, (foam, blue, deep, pale, deep))
    froth(
        [(x, y, rng.uniform(0.010, 0.020) * H) for x, y in back[20:110:3]]
        + claws(back[30:105], -0.9, 0.05, 7)
    )
    spray = np.array([0.74, 0.36]) + rng.normal(0, 1, (150, 2)) * [0.10, 0.16]
    for x, y in spray * H:
        r = rng.uniform(1.5, 6.5)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=foam)

    picture = np.asarray(sheet) / 255.0
    grain = np.sin(260 * Y + 5 * clouds(rng, 0.5, stretch=4)) * 0.012 + 0.014 * clouds(rng, 0.012)
    picture = over(picture, rgb("efe2c2")[0], np.clip(0.05 + 2.2 * grain, 0, 0.5))
    return finish(picture * (1 + 0.5 * grain)[..., None])


def stained_glass() -> Image.Image:
    """A window: a sun in rings over hills, water and flowers, in lead and glowing glass."""
    rng = np.random.default_rng(5)
    sun = np.array([0.74, 0.35])

    def regions(x: Field, y: Field) -> tuple[Field, Field]:
        """Find the part of the window that points are in, and the distance to its border."""
        disc = np.hypot(x - sun[0], y - sun[1]) - 0.30
        lines = [0.62 + 0.045 * np.sin(4.2 * x + 0.4), 0.745 + 0.05 * np.sin(3.4 * x + 2.4),
                 0.875 + 0.03 * np.sin(5 * x + 5)]  # fmt: skip
        below = np.sum([y > line for line in lines], axis=0)
        border = np.minimum.reduce([abs(y - line) for line in lines])
        in_sun = (disc < 0) & (below == 0)
        border = np.where(below == 0, np.minimum(border, abs(disc)), border)
        return np.where(in_sun, 4, below), border

    rings = [(0.0, 1), (0.072, 8), (0.140, 14), (0.206, 20), (0.270, 26)]
    seeds = [
        sun + r * np.stack([np.cos(t), np.sin(t)], 1)
        for r, n in rings
        for t in [(np.arange(n) + 0.5 * (n % 4 == 0)) / n * 2 * np.pi]
    ]
    spaced: list[Field] = []
    for point in rng.random((1500, 2)) * [1.35, 1.1] - 0.05:  # spaced, so that no pane is a sliver
        home = int(regions(point[0], point[1])[0])
        near = (0.085, 0.06, 0.068, 0.045, 9)[home]
        if home < 4 and all(np.hypot(*(point - other)) > near for other in spaced):
            spaced.append(point)
    centers = np.concatenate([*seeds, np.array(spaced)])
    parts = regions(centers[:, 0], centers[:, 1])[0]
    parts[: sum(n for _, n in rings)] = 4

    wx, wy = X + 0.004 * clouds(rng, 0.2), Y + 0.004 * clouds(rng, 0.2)
    part, border = regions(wx, wy)
    first, second = np.full((H, W), 9.0), np.full((H, W), 9.0)
    owner = np.zeros((H, W), int)
    for k, (cx, cy) in enumerate(centers):
        d = np.hypot(wx - cx, wy - cy) + 3 * (part != parts[k])
        closer = d < first
        second = np.where(closer, first, np.minimum(second, d))
        owner = np.where(closer, k, owner)
        first = np.where(closer, d, first)

    panes = (
        ["0b3fae", "1560d4", "0a2a80", "2b86e8", "3fb0f0", "16329c", "0c51bd"],
        ["0a9396", "19b3b1", "0b7fab", "5fd0c5", "087280"],
        ["1f9d55", "0f7b4f", "7cc243", "b6d73a", "2f8f3a"],
        ["0d6e3f", "e0144c", "1b9e4b", "ffcf33", "0a5a4a", "f25c9a", "ff7b1c"],
    )
    rose = (["fff6b8"], ["ffd21f", "ffc62e"], ["ff8a00", "ffb300"], ["e8271b", "c8102e"],
            ["7a1fa2", "b5179e", "5a189a"])  # fmt: skip
    glass = np.zeros((len(centers), 3))
    for k, center in enumerate(centers):
        ring = min(4, round(float(np.hypot(*(center - sun))) / 0.068))
        choice = rose[ring] if parts[k] == 4 else panes[parts[k]]
        pick = k if parts[k] == 4 else int(rng.random() * len(choice))
        glass[k] = rgb(choice[pick % len(choice)])[0] * rng.uniform(0.82, 1.15)

    streaks = clouds(rng, 0.06, octaves=3, stretch=3)
    light = 1.12 - 0.35 * np.hypot(X - sun[0], Y - sun[1])
    tone = light * (1 + 0.10 * streaks + 0.05 * clouds(rng, 0.015, octaves=2))
    picture = glass[owner] * tone[..., None] + 0.16 * np.clip(streaks - 0.6, 0, None)[..., None]
    lead = np.minimum((second - first) / 2, border * 0.75)
    picture *= (0.5 + 0.5 * np.clip(lead / 0.013, 0, 1))[..., None]  # dirt along the lead
    lead = np.minimum(lead, np.minimum.reduce([X, Y, 1.25 - X, 1 - Y]) - 0.012)
    ridge = blur(np.clip(1 - lead / 0.0065, 0, 1), 0.001) ** 3
    ink = rgb("15131a")[0] + 0.35 * ridge[..., None] * rgb("6d7480")[0]
    picture = over(picture, ink, step(0.0052 - lead))
    glow = np.stack([blur(picture[..., c], 0.012) for c in range(3)], -1)
    return finish(picture * 0.88 + glow * 0.26)
