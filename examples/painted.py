"""Styles with a brush: oil, dots of color, washes on paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from paintbox import (
    Field,
    H,
    W,
    X,
    Y,
    blur,
    brush,
    clouds,
    finish,
    over,
    ramp,
    relief,
    rgb,
    step,
)
from PIL import Image, ImageDraw


def night_sky() -> Image.Image:
    """Thick brush strokes swirling around stars and a moon, hills and a cypress below."""
    rng = np.random.default_rng(11)
    wave = 0.16 * np.sin(5 * X + 1) * np.exp(-((Y - 0.35) ** 2) / 0.1)
    vx, vy = np.ones_like(X), 0.7 * np.cos(5 * X + 1) * np.exp(-((Y - 0.35) ** 2) / 0.08)
    sky = ramp(
        np.clip(0.12 + 0.55 * Y + 0.16 * clouds(rng, 0.22, stretch=2.5) + wave, 0, 1),
        "0b1546", "14307f", "1f56a8", "3f86c4", "7db7c9", "c9d9b0",
    )  # fmt: skip
    for cx, cy, radius, spin in ((0.52, 0.30, 0.17, 5.0), (0.79, 0.41, 0.09, -3.4)):
        dx, dy = X - cx, Y - cy
        d = np.hypot(dx, dy)
        fall = np.exp(-((d / radius) ** 2)) / radius
        vx, vy = vx - spin * dy * fall * 1.6, vy + spin * dx * fall * 1.6
        arms = np.cos(2 * np.arctan2(dy, dx) * np.sign(spin) - 26 * d / radius**0.5)
        glow = ramp((arms + 1) / 2, "173a8c", "3a79bf", "a9d3d6", "f1efc4")
        sky = over(sky, glow, np.exp(-((d / radius / 1.1) ** 4)) * 0.85)
    stars = [(0.10, 0.12, 0.052), (0.27, 0.09, 0.036), (0.33, 0.30, 0.042), (0.47, 0.08, 0.03),
             (0.68, 0.13, 0.05), (0.86, 0.24, 0.034), (0.20, 0.44, 0.055), (0.94, 0.50, 0.03),
             (1.08, 0.17, 0.095), (0.62, 0.50, 0.026)]  # fmt: skip
    for cx, cy, size in stars:
        dx, dy = X - cx, Y - cy
        d = np.hypot(dx, dy)
        fall = np.exp(-((d / size / 1.5) ** 2)) * 9 / size
        vx, vy = vx - dy * fall, vy + dx * fall
        rings = np.clip(d / size / 2 + 0.05 * np.cos(d / size * 14), 0, 1)
        halo = ramp(rings, "fffbe0", "ffe27a", "f6c23c", "d9d58a", "8dbfb4", "3f7fbd")
        sky = over(sky, halo, np.clip(1.9 - d / size, 0, 1) ** 0.8)
    d = np.hypot(X - 1.08, Y - 0.17)
    moon = step(0.062 - d) * (1 - step(0.05 - np.hypot(X - 1.105, Y - 0.155)))
    scene = over(sky, rgb("ffb62e")[0], moon)
    angle = np.arctan2(vy, vx)

    # hills, the windows of a village, a cypress
    for k, (base, low, high) in enumerate(
        [(0.64, "2b4f8e", "7fa3c0"), (0.73, "1c4a66", "5d97a0"), (0.83, "14382f", "7c9a3e")]
    ):
        line = base + 0.05 * np.sin(4.2 * X + 2.1 * k) + 0.02 * np.sin(11 * X + k)
        slope = 0.21 * np.cos(4.2 * X + 2.1 * k) + 0.22 * np.cos(11 * X + k)
        inside = step(Y - line, soft=0.006)
        tone = np.clip(0.5 + 0.33 * np.sin((Y - line) * 55 + 6 * X) - 1.2 * (Y - line), 0, 1)
        scene = over(scene, ramp(tone, low, high), inside)
        angle = np.where(inside > 0.5, np.arctan(slope) + (Y - line) * 2, angle)
    for x, y in rng.random((34, 2)) * [0.85, 0.1] + [0.38, 0.74]:
        scene = over(scene, rgb("ffd45c")[0], step(0.006 - np.maximum(abs(X - x), abs(Y - y))))
    flame = 0.20 + 0.02 * np.sin(9 * Y) + 0.012 * np.sin(23 * Y + 1)
    wide = 0.105 * np.clip((Y - 0.10) / 0.9, 0, 1) ** 0.75 * (1 + 0.14 * np.sin(31 * Y))
    tree = step(wide - abs(X - flame), soft=0.006) * step(Y - 0.10)
    bark = np.clip(0.5 + 0.45 * np.sin((X - flame) * 130 + 9 * np.sin(7 * Y)), 0, 1)
    scene = over(scene, ramp(bark, "0c1a17", "1e3b25", "4b5a26", "6b4524"), tree)
    bend = np.pi / 2 + 0.5 * np.sin(16 * Y + 25 * X)
    angle = np.where(tree > 0.5, bend, angle)

    layers = [(5000, 0.10, 0.022), (9000, 0.06, 0.013), (9000, 0.04, 0.008)]
    picture, height = brush(rng, scene * 0.8, scene, angle, layers)
    return finish(relief(picture, blur(height, 0.0008), 1.4))


def pointillism() -> Image.Image:
    """A riverside afternoon in dots of pure color: sails, trees and two parasols."""
    rng = np.random.default_rng(23)
    soft, fine = clouds(rng, 0.2, stretch=2), clouds(rng, 0.05)
    horizon, shore = 0.40, 0.60 + 0.34 * X**2 * 0.55 - 0.05 * np.sin(4 * X)

    def view(y: Field, wobble: Field | float) -> Field:
        """Sky, far bank and boats at height ``y``; called again upside down for the water."""
        sky = np.clip(y / horizon + 0.10 * soft, 0, 1)
        picture = ramp(sky, "3f86dc", "74b6f0", "b4dff0", "f4eec0", "ffc985", "ffb08a")
        picture = over(picture, rgb("ffe9dc")[0], np.clip(soft - 0.5, 0, 1) * (y < 0.3))
        bank = 0.325 + 0.035 * np.sin(7 * X) + 0.022 * np.sin(19 * X + 2) - 0.012 * fine
        leaf = np.clip(0.5 + 0.35 * fine + (horizon - y) * 2 - 0.3, 0, 1)
        picture = over(picture, ramp(leaf, "2b4c86", "2f7a6b", "7fae4a", "e2d463"), step(y - bank))
        houses = (step(y - 0.35) * step(0.028 - abs((X + 0.013) % 0.21 - 0.1)) * (X > 0.45)) > 0.5
        picture = over(picture, rgb("fff0d0")[0], houses * 1.0)
        roof = (abs((X + 0.013) % 0.21 - 0.1) < (y - 0.318) * 1.1) & (y < 0.352) & (X > 0.45)
        picture = over(picture, rgb("e0552d")[0], roof * 1.0)
        for x, top, foot in ((0.60, 0.17, 0.43), (0.98, 0.25, 0.415), (0.78, 0.32, 0.405)):
            tall = foot - top
            right = np.clip((y - top) / tall, 0, 1) * tall * 0.42
            dx = X + wobble - x
            sail = (dx > 0) & (dx < right) | (dx < -0.006) & (dx > -right * 0.6)
            sail &= (y > top) & (y < foot)
            picture = over(
                picture, ramp(np.clip(dx * 9 + 0.4, 0, 1), "c8402c", "ff8d4a", "ffc67d"), sail * 1.0
            )
            hull = (abs(dx) < tall * 0.42 - (y - foot) * 2) & (y >= foot) & (y < foot + tall * 0.07)
            picture = over(picture, rgb("7a2f3a")[0], hull * 1.0)
        return picture

    ripple = 0.012 * clouds(rng, 0.03, octaves=2, stretch=8)
    mirror = view(2 * horizon + 0.02 - Y * 1.0 + ripple, ripple * 1.5) * [0.72, 0.85, 0.98]
    glint = np.clip(clouds(rng, 0.035, octaves=2, stretch=7) - 0.9, 0, 1)
    mirror = over(mirror * 0.66 + rgb("2f86e0")[0] * 0.34, rgb("fff3c4")[0], glint)
    scene = np.where((horizon + 0.01 < Y)[..., None], mirror, view(Y, 0.0))
    sun = np.clip(0.55 + 0.4 * soft + 0.15 * fine - (Y - shore) * 0.5, 0, 1)
    scene = over(scene, ramp(sun, "2c6e4f", "6aa84f", "c3cf4a", "f7e26b"), step(Y - shore))
    shadow = np.exp(-(((X - 0.36) / 0.36) ** 2) - ((Y - 0.86) / 0.055) ** 2) + 0.04 * fine
    scene = over(scene, ramp(sun, "24306e", "315a7c", "2d6b5e"), step(shadow, 0.35, 0.1) * 0.85)
    trunk = abs(X - 0.17 - 0.02 * np.sin(6 * Y)) - 0.022 - 0.05 * np.clip(Y - 0.76, 0, 1) ** 1.5
    wood = ramp(np.clip(0.5 - (X - 0.17) * 18, 0, 1), "2e2350", "6b3f4c", "c98a5a")
    scene = over(scene, wood, step(-trunk) * (Y > 0.3) * (Y < 0.86))
    for cx, cy, rx, ry in (
        (0.13, 0.14, 0.27, 0.15),
        (0.30, 0.27, 0.17, 0.09),
        (0.02, 0.33, 0.17, 0.1),
    ):
        crown = 1 - np.hypot((X - cx) / rx, (Y - cy) / ry) + 0.16 * fine
        lit = np.clip(0.5 + 1.0 * (cx - X) - 1.9 * (Y - cy) + 0.22 * fine, 0, 1)
        green = ramp(lit, "1d2f6f", "1f5e57", "2f8a4c", "8fbf3f", "f2dc55")
        scene = over(scene, green, step(crown, 0.12, 0.12))
    for x, foot, tall, dress, top in (
        (0.66, 0.86, 0.2, "3a2f7d", "e2382f"),
        (0.79, 0.89, 0.17, "d9487d", "fff2d8"),
    ):
        up, dx = (foot - Y) / tall, X - x
        shade = np.hypot((dx - 0.14) / 0.16, (Y - foot) / 0.018)
        scene = over(scene, rgb("2f3f7a")[0], step(1 - shade, 0, 0.3) * 0.75)
        skirt = (abs(dx) < tall * (0.21 - 0.24 * up)) & (up > 0) & (up < 0.55)
        body = (abs(dx) < tall * 0.095) & (up >= 0.5) & (up < 0.76)
        tint = ramp(np.clip(0.5 - dx * 14, 0, 1), "1b1a4a", dress, dress, "ffc9a0")
        scene = over(scene, tint, (skirt | body) * 1.0)
        scene = over(
            scene, rgb("c9825c")[0], (np.hypot(dx, Y - foot + tall * 0.82) < tall * 0.065) * 1.0
        )
        dome = np.hypot(dx / 1.45, Y - foot + tall * 0.84) < tall * 0.27
        folds = ramp(np.clip(0.6 - dx * 9 + 0.2 * np.cos(dx * 150), 0, 1), "6d2148", top, "fff0b0")
        scene = over(scene, folds, (dome & (up > 0.86)) * 1.0)

    canvas = Image.new("RGB", (W, H), "#e9dfc6")
    draw = ImageDraw.Draw(canvas)
    for count, radius, stray in ((16000, 8.5, 0.10), (24000, 6.4, 0.10), (26000, 4.8, 0.08)):
        spots = rng.random((count, 2)) * [W, H]
        i = spots.astype(int)
        color = scene[i[:, 1], i[:, 0]]
        gray = color.mean(1, keepdims=True)
        color = gray + (color - gray) * 1.45 + stray * rng.standard_normal((count, 3))
        accent = rng.random(count) < 0.09
        warm = rgb("ff8a2b", "ffd23f", "f2557d")[rng.integers(0, 3, count)]
        cool = rgb("2a49b8", "6a3fb0", "1f8fa8")[rng.integers(0, 3, count)]
        spark = np.where(gray > 0.55, warm, cool)
        color = np.where(accent[:, None], 0.45 * color + 0.55 * spark, color)
        ink = (np.clip(color, 0, 1) * 255).astype(int)
        size = radius * rng.uniform(0.75, 1.25, count)
        for (x, y), r, (red, green, blue) in zip(spots, size, ink, strict=True):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(red, green, blue))
    return finish(np.asarray(canvas) / 255.0)


def watercolor() -> Image.Image:
    """Transparent washes on rough paper: a wet sky, misty hills and poppies that bleed."""
    rng = np.random.default_rng(47)
    tooth = clouds(rng, 0.012, octaves=3)
    bleed, lace, pool = clouds(rng, 0.10), clouds(rng, 0.03), clouds(rng, 0.3, octaves=3)
    picture = np.ones((H, W, 3)) * rgb("fbf7ec")[0]

    def wash(shape: Field, color: str, load: float, *, wet: float = 0.0, rim: float = 0.5) -> None:
        """A pool of paint where ``shape`` > 0: ``wet`` softens its border, ``rim`` darkens it."""
        nonlocal picture
        cover = step(shape + 0.004 * lace + 0.003 * bleed, soft=0.003 + wet)
        edge = cover * np.exp(-np.clip(shape, 0, 1) / 0.004)
        amount = cover * (0.8 + 0.24 * pool + 0.08 * bleed) + rim * edge
        amount = np.clip(amount + 0.10 * tooth * cover, 0, 2) * load
        picture = picture * np.clip(rgb(color)[0], 0.02, 1) ** amount[..., None]

    for y, wide, color, load in (
        (-0.02, 0.20, "3f83d8", 0.95),
        (0.22, 0.07, "b79be0", 0.6),
        (0.34, 0.07, "ff9fa0", 0.75),
        (0.46, 0.09, "ffd36b", 0.9),
    ):
        drift = y + 0.05 * np.sin(3 * X + 2) + 0.03 * bleed
        strength = np.exp(-(((Y - drift) / wide) ** 2))
        picture = picture * rgb(color)[0] ** (strength * load * (1 + 0.12 * tooth))[..., None]
    for cx, cy, r in (
        (0.30, 0.16, 0.09),
        (0.44, 0.12, 0.07),
        (0.98, 0.22, 0.10),
        (0.84, 0.25, 0.06),
    ):
        puff = r - np.hypot((X - cx) / 1.7, Y - cy) + 0.03 * bleed + 0.015 * lace
        picture = over(picture, rgb("fffaf0")[0], 0.6 * step(puff, soft=0.08))
    wash(0.062 - np.hypot(X - 0.86, Y - 0.37), "ffb03a", 0.9, rim=0.7)

    for base, size, color, load in (
        (0.46, 0.11, "c4b2ea", 0.75),
        (0.52, 0.10, "7c93cf", 0.9),
        (0.585, 0.08, "4f7fb0", 0.9),
        (0.645, 0.055, "2f8080", 0.95),
    ):
        line = (
            base
            - size * np.sin(3.1 * X + 40 * base) * 0.7
            - size * 0.35 * np.sin(9 * X + 90 * base)
        )
        line += 0.006 * np.interp(X, np.linspace(0, 1.25, 70), rng.standard_normal(70))
        fog = np.clip(1 - (Y - line) / 0.16, 0.12, 1)
        before = picture
        wash(Y - line, color, load)
        picture = before + (picture - before) * fog[..., None]
    line = 0.70 + 0.02 * np.sin(4 * X)
    wash(Y - line, "d5d95a", 0.9, rim=0.3)
    wash(Y - line - 0.07 + 0.05 * bleed, "7fb24a", 0.8, wet=0.05, rim=0.2)
    wash(Y - line - 0.17 + 0.06 * bleed, "2f7f55", 0.8, wet=0.08, rim=0.2)
    for tint in ("8fae3a", "3f8f4f", "1f5f4a"):
        blades = np.full((H, W), -1.0)
        for _ in range(34):
            x, foot, tall = rng.uniform(0, 1.25), rng.uniform(0.9, 1.08), rng.uniform(0.08, 0.26)
            up = np.clip((foot - Y) / tall, 0, 1)
            bend = x + rng.normal(0, 0.35) * tall * up**2 + rng.normal(0, 0.1) * tall * up
            blade = 0.0045 * (1 - up) - 0.0005 - abs(X - bend)
            blades = np.maximum(blades, np.where((up > 0) & (up < 1), blade, -1))
        wash(blades * 2, tint, 0.8, rim=0)

    poppies = [(0.16, 0.74, 0.075), (0.40, 0.84, 0.095), (0.63, 0.76, 0.06), (0.83, 0.85, 0.085),
               (1.08, 0.75, 0.07), (0.27, 0.90, 0.05), (0.98, 0.92, 0.055), (0.54, 0.70, 0.034),
               (0.74, 0.70, 0.03), (1.18, 0.69, 0.032), (0.31, 0.70, 0.03)]  # fmt: skip
    for x, y, r in poppies:
        stem = abs(X - x - 0.05 * np.sin(7 * (Y - y) + 20 * x)) - 0.004
        wash(np.where((y + r * 0.4 < Y) & (y + r * 4 > Y), -stem, -1), "2f6f3f", 0.9, rim=0)
        cup = r - np.hypot(X - x, (Y - y) * 1.35)
        picture = over(picture, rgb("fbf1dc")[0], 0.9 * step(cup + 0.006 * lace, soft=0.004))
        tint = rng.choice(["f2492e", "ef3b4b", "ff6b35", "e8308a"])
        for k in range(4):
            turn = 0.5 + 1.6 * k + rng.normal(0, 0.2)
            px, py = x + 0.42 * r * np.cos(turn), y + 0.34 * r * np.sin(turn)
            petal = 0.66 * r - np.hypot(X - px, (Y - py) * 1.15) + 0.06 * r * bleed
            wash(petal, tint, 0.62, rim=0.8)
        wash(0.42 * r - np.hypot(X - x, Y - y) + 0.1 * r * bleed, "b0184a", 0.7, wet=r * 0.5)
        wash(0.15 * r - np.hypot(X - x, Y - y) + 0.02 * r * lace, "2a1a3a", 1.3)
    for tint in ("ef4136", "3f6fd0", "d8a020", "2f7f6f", "8c5fc0"):
        drops = rng.random((12, 3)) * [1.25, 1.0, 0.007] + [0, 0, 0.001]
        wash(np.maximum.reduce([r - np.hypot(X - x, Y - y) for x, y, r in drops]), tint, 0.6)

    frame = np.minimum.reduce([X, Y, 1.25 - X, 1 - Y]) + 0.005 * bleed + 0.003 * lace
    picture = over(rgb("fbf7ec")[0] * np.ones_like(picture), picture, step(frame, 0.028, 0.005))
    return finish(relief(picture, blur(tooth, 0.001), 0.05))


def abstract() -> Image.Image:
    """Bold blocks, split discs and black curves in thick flat paint on canvas."""
    rng = np.random.default_rng(8)
    colors = rgb("d7263d", "f46036", "ffc914", "17bebb", "1b5fc1", "0b2d6b", "f4ece0",
                 "2e9e5b", "7b2d8b", "f7a1b5", "141414", "8fd3f4")  # fmt: skip
    shake = 0.003 * clouds(rng, 0.15)
    x, y = X + shake, Y + 0.003 * clouds(rng, 0.15)
    picture = np.ones((H, W, 3)) * rgb("f2e4c9")[0]
    thick = 0.3 * clouds(rng, 0.05)

    def lay(color: Field | int, inside: NDArray[np.bool_] | Field) -> None:
        """A flat of paint: its own brush direction, a little uneven, with a ridge at its rim."""
        nonlocal picture, thick
        cover = np.asarray(inside, float)
        turn = rng.uniform(0, np.pi)
        hairs = rng.standard_normal(2400)
        row = (X * np.sin(turn) + Y * np.cos(turn) + 2 * shake) * 620 + 1000
        strokes = np.interp(row, np.arange(2400), hairs)
        paint = colors[color] if isinstance(color, int) else color
        paint = paint * (1 + 0.035 * strokes + 0.03 * thick)[..., None]
        picture = over(picture, paint, cover)
        rim = np.clip(cover - blur(cover, 0.003), 0, 1)
        thick = thick * (1 - cover) + cover * (0.25 * strokes + 5 * rim)

    def band(x0: float, y0: float, x1: float, y1: float, wide: float) -> NDArray[np.bool_]:
        """A straight bar between two points."""
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        near: NDArray[np.bool_] = np.maximum(abs(x - x0 - t * dx), abs(y - y0 - t * dy)) < wide
        return near

    def disc(cx: float, cy: float, radius: float, rings: int, cuts: int, turn: float) -> None:
        """Rings cut into sectors; neighbors never share a color."""
        d, angle = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx) + turn
        ring = (d / radius * rings).astype(int)
        sector = ((angle / (2 * np.pi)) % 1 * cuts).astype(int)
        order = rng.permutation(10)
        for r in range(rings):
            for s in range(cuts):
                pick = int(order[(r + 4 * s) % 10])
                lay(pick, (ring == r) & (sector == s) & (d < radius))

    # the ground, in blocks
    lay(4, (y < 0.46 - 0.2 * x) & (x < 0.7))
    lay(2, (x > 0.62) & (y < 0.40 + 0.15 * (x - 0.62)))
    lay(0, (x > 0.98) & (y > 0.12) & (y < 0.62))
    lay(3, (y > 0.62 + 0.1 * np.sin(5 * x)) & (x < 0.52))
    lay(8, (y > 0.70 - 0.12 * (x - 0.5)) & (x > 0.48))
    lay(9, (y > 0.86) & (x < 0.95))
    lay(7, (x < 0.13) & (y > 0.25) & (y < 0.68))
    lay(1, (x > 0.56) & (x < 0.70) & (y > 0.44) & (y < 0.97))
    lay(11, (y < 0.16) & (x > 0.14) & (x < 0.52))
    # split discs
    disc(0.40, 0.46, 0.33, 5, 4, 0.4)
    disc(0.92, 0.70, 0.22, 4, 4, 1.1)
    disc(1.06, 0.22, 0.12, 3, 2, 0.7)
    disc(0.12, 0.86, 0.09, 3, 3, 0.2)
    # a checkerboard, a sail and a road
    board = ((x * 22).astype(int) + (y * 22).astype(int)) % 2
    patch = (x > 0.70) & (x < 0.8864) & (y > 0.09) & (y < 0.3182)
    lay(6, patch)
    lay(10, patch & (board == 0))
    lay(6, (y > 0.80 + (x - 0.3) * 0.9) & (y < 0.98) & (x > 0.27))
    lay(5, (y > 0.86 + (x - 0.3) * 0.9) & (y < 0.98) & (x > 0.30))
    wave = 0.55 + 0.16 * np.sin(4.4 * x + 0.3)
    lay(6, (abs(y - wave) < 0.030) & (x > 0.05) & (x < 1.2))
    lay(10, (abs(y - wave) < 0.012 + 0.012 * np.sin(3 * x)) & (x > 0.04) & (x < 1.21))
    # bars, thin rings, points
    for x0, y0, x1, y1, wide, color in (
        (0.03, 0.97, 0.60, 0.03, 0.011, 10),
        (0.66, 0.03, 1.22, 0.55, 0.007, 10),
        (0.72, 0.97, 1.22, 0.42, 0.016, 0),
        (0.76, 0.97, 1.23, 0.47, 0.005, 10),
        (0.05, 0.08, 0.30, 0.16, 0.009, 2),
        (0.04, 0.13, 0.27, 0.21, 0.009, 0),
        (0.52, 0.90, 0.80, 0.97, 0.006, 2),
    ):
        lay(color, band(x0, y0, x1, y1, wide))
    for cx, cy, r, wide, color in (
        (0.40, 0.46, 0.345, 0.008, 10),
        (0.72, 0.52, 0.2, 0.009, 5),
        (1.06, 0.22, 0.15, 0.006, 10),
        (0.30, 0.2, 0.045, 0.02, 1),
    ):
        d, angle = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
        swell = wide * (0.55 + 0.45 * np.sin(angle + 5 * cx))
        lay(color, abs(d - r) < swell)
    for cx, cy, r, color in (
        (0.565, 0.13, 0.028, 0),
        (0.20, 0.07, 0.02, 10),
        (0.83, 0.42, 0.03, 10),
        (0.83, 0.42, 0.014, 2),
        (1.16, 0.90, 0.035, 2),
        (0.47, 0.93, 0.016, 3),
    ):
        lay(color, np.hypot(x - cx, y - cy) < r)

    # the canvas shows where the paint is worn
    weave = np.sin(X * H / 3.4) * np.sin(Y * H / 3.4)
    worn = np.clip(clouds(rng, 0.01, octaves=2) + 0.4 * weave - 1.9, 0, 0.6)
    picture = over(picture, rgb("f2e4c9")[0], worn)
    return finish(relief(picture, blur(thick, 0.0009) * 0.5 + 0.03 * weave, 0.55))
