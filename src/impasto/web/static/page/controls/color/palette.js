// @ts-check
/**
 * Palette transfer from a style to a photograph: values first, then tints, then hues. Mirrors
 * impasto/controls/color/palette.py.
 *
 * Palettes are moments of *tones*, the lightness of Oklab on an S-shaped scale and its a and b.
 */

import { composed, eigen, inverse, matrixPower, product } from "./matrices.js";
import { ColorMoments, mapBetween } from "./moments.js";

/** @typedef {import("./matrices.js").Matrix} Matrix */
/** @typedef {import("./moments.js").ColorMap} ColorMap */

// Oklab, B. Ottosson 2020 (bottosson.github.io/posts/oklab): linear sRGB -> cones -> L, a, b.
const CONES = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const OKLAB = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];

// One row after the other: these stand in loops over all pixels.
const TO_CONES = Float64Array.from(CONES.flat());
const TO_OKLAB = Float64Array.from(OKLAB.flat());
const FROM_CONES = Float64Array.from(inverse(CONES).flat());
const FROM_OKLAB = Float64Array.from(inverse(OKLAB).flat());

/** The light that a black screen reflects in a lit room. */
const FLARE = 0.004;
const BLACK = Math.cbrt(FLARE / (1 + FLARE));

/** How far beyond black and white the scale of tones ends: larger is more linear. */
const TOE = 0.05;

/** How far beyond [0, 1] linear light may lie to be clipped at once. */
const SLACK = 1e-3;

/** Halvings of the interval in which the largest saturation that fits is searched. */
const HALVINGS = 12;

/** Limits for the change of contrast between light and dark, and of saturation. */
const CONTRAST = [2 / 3, 3 / 2];
const SATURATION = 2.5;

/** Added to variances: it keeps every division finite and is far below what can be seen. */
const FLOOR = 1e-8;

/**
 * RGB -> tones, in place.
 *
 * @param {Float64Array} colors three numbers a color, sRGB; what is outside [0, 1] is clipped
 * @param {number} count of colors
 */
export function toTones(colors, count) {
  const [c0, c1, c2, c3, c4, c5, c6, c7, c8] = TO_CONES;
  const [o0, o1, o2, o3, o4, o5, o6, o7, o8] = TO_OKLAB;
  for (let i = 0, end = 3 * count; i < end; i += 3) {
    const red = seen(colors[i]);
    const green = seen(colors[i + 1]);
    const blue = seen(colors[i + 2]);
    const long = Math.cbrt(c0 * red + c1 * green + c2 * blue);
    const medium = Math.cbrt(c3 * red + c4 * green + c5 * blue);
    const short = Math.cbrt(c6 * red + c7 * green + c8 * blue);
    const lightness = o0 * long + o1 * medium + o2 * short;
    const light = clipped((lightness - BLACK) / (1 - BLACK));
    colors[i] = Math.log((light + TOE) / (1 - light + TOE)) / 4;
    colors[i + 1] = o3 * long + o4 * medium + o5 * short;
    colors[i + 2] = o6 * long + o7 * medium + o8 * short;
  }
}

/**
 * Tones -> RGB, in place. A color that sRGB does not have loses saturation until it does; hue and
 * lightness stay.
 *
 * @param {Float64Array} tones three numbers a color
 * @param {number} count of colors
 */
export function fromTones(tones, count) {
  const linear = new Float64Array(3);
  for (let i = 0, end = 3 * count; i < end; i += 3) {
    // The hyperbolic tangent is the same curve as the logistic one, and never overflows.
    const light = clipped(0.5 + (0.5 + TOE) * Math.tanh(2 * tones[i]));
    const lightness = BLACK + (1 - BLACK) * light;
    const a = tones[i + 1];
    const b = tones[i + 2];
    toLinear(lightness, a, b, linear);
    if (!inGamut(linear)) {
      let share = 0;
      let step = 0.5;
      for (let halving = 0; halving < HALVINGS; halving++, step /= 2) {
        toLinear(lightness, a * (share + step), b * (share + step), linear);
        if (inGamut(linear)) share += step;
      }
      toLinear(lightness, a * share, b * share, linear);
    }
    tones[i] = encoded(linear[0]);
    tones[i + 1] = encoded(linear[1]);
    tones[i + 2] = encoded(linear[2]);
  }
}

/**
 * The palette of a picture: moments of its tones, which merge like all moments.
 *
 * @param {Float32Array} image (H, W, 3) in [0, 1]
 * @param {Float32Array | null} [weights] (H, W), the weight of each pixel
 * @returns {ColorMoments}
 */
export function paletteOf(image, weights = null) {
  return ColorMoments.of(image, weights, toTones);
}

/**
 * The map of tones that lays the palette of a style on a photograph: values, tints, hues.
 *
 * @param {ColorMoments} content `paletteOf` the photograph
 * @param {ColorMoments} style `paletteOf` the style
 * @returns {ColorMap}
 */
export function paletteMap(content, style) {
  const have = floored(content.covariance);
  const want = floored(style.covariance);
  const wanted = Math.sqrt(want[0][0] / have[0][0]);
  const contrast = Math.min(Math.max(wanted, CONTRAST[0]), CONTRAST[1]);
  // In a style without light and dark the slope is chance: more contrast must not multiply it.
  const slope = Math.min(wanted, contrast) / want[0][0];
  const tint = [want[1][0] * slope, want[2][0] * slope];
  const own = [have[1][0] / have[0][0], have[2][0] / have[0][0]];
  const turned = hues(withoutLight(have), withoutLight(want));
  const matrix = [
    [contrast, 0, 0],
    [tint[0] - (turned[0][0] * own[0] + turned[0][1] * own[1]), turned[0][0], turned[0][1]],
    [tint[1] - (turned[1][0] * own[0] + turned[1][1] * own[1]), turned[1][0], turned[1][1]],
  ];
  return mapBetween(matrix, content.mean, style.mean);
}

/**
 * A photograph with its tones mapped.
 *
 * @param {Float32Array} image (H, W, 3) in [0, 1]
 * @param {ColorMap} map of `paletteMap`
 * @returns {Float32Array} in [0, 1]
 */
export function applyPalette(image, { matrix, offset }) {
  const [[a, b, c], [d, e, f], [g, h, k]] = matrix;
  const [p, q, r] = offset;
  const colors = Float64Array.from(image);
  const count = image.length / 3;
  toTones(colors, count);
  for (let i = 0; i < colors.length; i += 3) {
    const x = colors[i];
    const y = colors[i + 1];
    const z = colors[i + 2];
    colors[i] = a * x + b * y + c * z + p;
    colors[i + 1] = d * x + e * y + f * z + q;
    colors[i + 2] = g * x + h * y + k * z + r;
  }
  fromTones(colors, count);
  return Float32Array.from(colors);
}

/**
 * The Monge-Kantorovich map between two covariances, its stretching limited.
 *
 * @param {Matrix} have (2, 2)
 * @param {Matrix} want
 * @returns {Matrix}
 */
function hues(have, want) {
  // Rounding in what was subtracted can leave a variance a hair below its floor, or below 0.
  const floor = FLOOR ** 2;
  const root = matrixPower(have, 0.5, floor);
  const back = matrixPower(have, -0.5, floor);
  const middle = matrixPower(product(product(root, want), root), 0.5, floor);
  const { values, axes } = eigen(product(product(back, middle), back));
  return composed(
    values.map((value) => Math.min(Math.max(value, 0), SATURATION)),
    axes,
  );
}

/**
 * @param {Matrix} covariance
 * @returns {Matrix}
 */
function floored(covariance) {
  return covariance.map((row, i) => row.map((each, j) => (i === j ? each + FLOOR : each)));
}

/**
 * The covariance of a and b at equal lightness.
 *
 * @param {Matrix} covariance
 * @returns {Matrix}
 */
function withoutLight(covariance) {
  return [1, 2].map((i) =>
    [1, 2].map((j) => covariance[i][j] - (covariance[i][0] * covariance[0][j]) / covariance[0][0]),
  );
}

/** The 256 values that most pictures consist of, and the light of each: powers take long. */
const BYTES = Float32Array.from({ length: 256 }, (_, value) => value / 255);
const LIGHTS = Float64Array.from(BYTES, lit);

/**
 * The linear light of a channel, as seen in a lit room.
 *
 * @param {number} value
 */
function seen(value) {
  const inside = clipped(value);
  const byte = (inside * 255 + 0.5) | 0;
  return BYTES[byte] === inside ? LIGHTS[byte] : lit(inside);
}

/** @param {number} value in [0, 1] */
function lit(value) {
  const linear = value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  return (linear + FLARE) / (1 + FLARE);
}

/**
 * A channel of linear light as sRGB.
 *
 * @param {number} value
 */
function encoded(value) {
  const inside = clipped(value);
  if (inside <= 0.0031308) return inside * 12.92;
  const root = Math.cbrt(inside); // to the power 1 / 2.4 by roots alone, which is far quicker
  return 1.055 * root * Math.sqrt(Math.sqrt(root)) - 0.055;
}

/**
 * Oklab, as seen in a lit room, -> linear sRGB.
 *
 * @param {number} lightness
 * @param {number} a
 * @param {number} b
 * @param {Float64Array} linear where it goes
 */
function toLinear(lightness, a, b, linear) {
  const long = FROM_OKLAB[0] * lightness + FROM_OKLAB[1] * a + FROM_OKLAB[2] * b;
  const medium = FROM_OKLAB[3] * lightness + FROM_OKLAB[4] * a + FROM_OKLAB[5] * b;
  const short = FROM_OKLAB[6] * lightness + FROM_OKLAB[7] * a + FROM_OKLAB[8] * b;
  const l = long * long * long;
  const m = medium * medium * medium;
  const s = short * short * short;
  for (let c = 0, i = 0; c < 3; c++, i += 3) {
    const light = FROM_CONES[i] * l + FROM_CONES[i + 1] * m + FROM_CONES[i + 2] * s;
    linear[c] = light * (1 + FLARE) - FLARE;
  }
}

/** @param {Float64Array} linear */
function inGamut(linear) {
  return (
    Math.abs(linear[0] - 0.5) <= 0.5 + SLACK &&
    Math.abs(linear[1] - 0.5) <= 0.5 + SLACK &&
    Math.abs(linear[2] - 0.5) <= 0.5 + SLACK
  );
}

/** @param {number} value */
function clipped(value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}
