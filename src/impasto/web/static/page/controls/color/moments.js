// @ts-check
/**
 * Moments of the colors of a picture, gathered block by block, and maps of its pixels. Mirrors
 * impasto/controls/color/moments.py. Sums run in float64.
 */

import { PaintError } from "../../errors.js";
import { times } from "./matrices.js";

/** @typedef {import("./matrices.js").Matrix} Matrix */
/** @typedef {(colors: Float64Array, count: number) => void} Space maps `count` colors in place */
/** @typedef {{matrix: Matrix, offset: number[]}} ColorMap `matrix x + offset` of a color x */

/** Pixels looked at at a time. */
const BLOCK = 1 << 12;

/** Mean and covariance of the colors of a picture, or of a part of it. */
export class ColorMoments {
  /**
   * @param {number} weight number of pixels, or the sum of their weights; above 0
   * @param {Float64Array} mean of three channels
   * @param {Matrix} covariance biased: the sum of products divided by `weight`
   */
  constructor(weight, mean, covariance) {
    this.weight = weight;
    this.mean = mean;
    this.covariance = covariance;
  }

  /**
   * Those of a picture.
   *
   * @param {Float32Array} image (H, W, 3)
   * @param {Float32Array | null} [weights] (H, W), 0 or more: the weight of each pixel, such as its
   *   opacity; null for equal weights
   * @param {Space | null} [space] the color space of the moments; null for RGB
   * @returns {ColorMoments}
   */
  static of(image, weights = null, space = null) {
    const pixels = image.length / 3;
    if (weights && weights.length !== pixels) {
      throw new PaintError(`There are ${weights.length} weights for ${pixels} pixels.`);
    }
    const colors = new Float64Array(3 * Math.min(BLOCK, pixels));
    /** @type {ColorMoments | null} */
    let total = null;
    for (let start = 0; start < pixels; start += BLOCK) {
      const count = Math.min(BLOCK, pixels - start);
      colors.set(image.subarray(3 * start, 3 * (start + count)));
      if (space) space(colors, count);
      const part = blockMoments(colors, count, weights && weights.subarray(start, start + count));
      if (part) total = total ? total.merge(part) : part;
    }
    if (total === null) {
      throw new PaintError(
        "The picture has no usable pixels: all are transparent or outside the masks.",
      );
    }
    if (!total.covariance.every((row) => row.every(Number.isFinite))) {
      throw new PaintError("The picture has values that are not colors.");
    }
    return total;
  }

  /**
   * Merge the moments of two parts (Chan, Golub & LeVeque 1979).
   *
   * @param {ColorMoments} other of pixels that are not among those of this one
   * @returns {ColorMoments}
   */
  merge(other) {
    const weight = this.weight + other.weight;
    const share = other.weight / weight;
    const apart = other.mean.map((each, c) => each - this.mean[c]);
    return new ColorMoments(
      weight,
      this.mean.map((each, c) => each + share * apart[c]),
      this.covariance.map((row, i) =>
        row.map(
          (each, j) =>
            (1 - share) * each +
            share * other.covariance[i][j] +
            share * (1 - share) * apart[i] * apart[j],
        ),
      ),
    );
  }
}

/**
 * `A x + b` of every pixel x, not clipped.
 *
 * @param {Float32Array} image (H, W, 3)
 * @param {ColorMap} map
 * @returns {Float32Array}
 */
export function applyMap(image, { matrix, offset }) {
  const [[a, b, c], [d, e, f], [g, h, k]] = matrix;
  const [p, q, r] = offset;
  const result = new Float32Array(image.length);
  for (let i = 0; i < image.length; i += 3) {
    const red = image[i];
    const green = image[i + 1];
    const blue = image[i + 2];
    result[i] = a * red + b * green + c * blue + p;
    result[i + 1] = d * red + e * green + f * blue + q;
    result[i + 2] = g * red + h * green + k * blue + r;
  }
  return result;
}

/**
 * The map that takes one mean to another.
 *
 * @param {Matrix} matrix
 * @param {Float64Array} from
 * @param {Float64Array} to
 * @returns {ColorMap}
 */
export function mapBetween(matrix, from, to) {
  return { matrix, offset: times(matrix, from).map((moved, c) => to[c] - moved) };
}

/**
 * Moments of a block of colors; null if all weights are 0.
 *
 * @param {Float64Array} colors
 * @param {number} count
 * @param {Float32Array | null} weights
 * @returns {ColorMoments | null}
 */
function blockMoments(colors, count, weights) {
  let weight = count;
  if (weights) {
    weight = 0;
    for (let i = 0; i < count; i++) {
      if (!(weights[i] >= 0 && weights[i] < Infinity)) {
        throw new PaintError("The weights of pixels must be numbers of 0 or more.");
      }
      weight += weights[i];
    }
    if (weight === 0) return null;
  }
  let [red, green, blue] = [0, 0, 0];
  for (let i = 0, j = 0; i < count; i++, j += 3) {
    const share = weights ? weights[i] / weight : 1;
    red += share * colors[j];
    green += share * colors[j + 1];
    blue += share * colors[j + 2];
  }
  if (!weights) {
    red /= count;
    green /= count;
    blue /= count;
  }
  let [rr, rg, rb, gg, gb, bb] = [0, 0, 0, 0, 0, 0];
  for (let i = 0, j = 0; i < count; i++, j += 3) {
    const share = weights ? weights[i] / weight : 1;
    const p = colors[j] - red;
    const q = colors[j + 1] - green;
    const r = colors[j + 2] - blue;
    rr += share * p * p;
    rg += share * p * q;
    rb += share * p * r;
    gg += share * q * q;
    gb += share * q * r;
    bb += share * r * r;
  }
  const by = weights ? 1 : count;
  const covariance = [
    [rr / by, rg / by, rb / by],
    [rg / by, gg / by, gb / by],
    [rb / by, gb / by, bb / by],
  ];
  return new ColorMoments(weight, Float64Array.of(red, green, blue), covariance);
}
