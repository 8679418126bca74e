// @ts-check
/**
 * Regions: how much of each style goes where. Mirrors impasto/controls/regions.py.
 *
 * Strength, several styles and masks are one thing: a strength of each style, a number or a map,
 * from which one scale and one shift follow at every place (affine.js).
 */

import { PaintError } from "../errors.js";
import { paddedMaps, spanOf } from "../images/windows.js";
import { checkAlpha, checkWeights } from "./affine.js";
import { PlaneWindows } from "./masks.js";
import { cellAverage } from "./moments.js";

/** @typedef {import("../types").Amounts} Amounts */
/** @typedef {import("../types").Plane} Plane */
/** @typedef {import("../types").Span} Span */
/** @typedef {Float32Array | Float64Array} Floats */

/**
 * What a style map is made of; a `Look` is one.
 *
 * @typedef {object} Strengths
 * @property {number | Plane} alpha
 * @property {number[] | null} weights one for each style; null: all the same
 * @property {(Plane | null)[]} masks one for each style, null for everywhere; empty: all everywhere
 */

/**
 * Divide every place among the styles whose masks cover it: they cover `c = min(1, sum_k m_k)` of
 * it and divide that as their weights say. The rest stays the photograph.
 *
 * @template {Floats} F
 * @param {ArrayLike<number>} weights of `checkWeights`
 * @param {F[]} masks one for each style, numbers in [0, 1]
 * @param {F} result (K, positions), where the shares go
 * @returns {F} `result`; sums to 1 or less over the styles
 */
export function shares(weights, masks, result) {
  const count = masks.length;
  const positions = masks[0].length;
  for (let i = 0; i < positions; i++) {
    let total = 0;
    let covered = 0;
    for (let k = 0; k < count; k++) {
      const mask = masks[k][i];
      total += weights[k] * mask;
      covered += mask;
    }
    // What only styles of weight 0 cover stays the photograph too.
    const part = total > 0 ? Math.min(covered, 1) / total : 0;
    for (let k = 0, j = i; k < count; k++, j += positions) {
      result[j] = weights[k] * masks[k][i] * part;
    }
  }
  return result;
}

/** The strength of each style at every place of a picture: alpha times its share. */
export class StyleMap {
  /**
   * @param {Strengths} controls
   * @param {number} count how many styles there are
   * @param {number} height of the picture, in pixels
   * @param {number} width of the picture
   */
  constructor(controls, count, height, width) {
    const { alpha, masks } = controls;
    this.count = count;
    this._weights = checkWeights(controls.weights, count);
    if (masks.length !== 0 && masks.length !== count) {
      throw new PaintError(
        `There must be one mask for each style, not ${masks.length} for ${count}.`,
      );
    }
    this._masks = masks.map((mask) => new PlaneWindows(mask ?? FULL, height, width));
    this._alpha =
      typeof alpha === "number" ? checkAlpha(alpha) : new PlaneWindows(alpha, height, width);
    const levels = this._masks.map((mask) => mask.level);
    this._flat = !levels.includes(null);
    if (masks.length > 0 && this._flat) {
      const ones = levels.map((level) => Float64Array.of(level ?? 0));
      this._weights = shares(this._weights, ones, new Float64Array(count));
    }
    /**
     * For each style the mask within which statistics are taken; null: of the whole picture.
     *
     * @type {(PlaneWindows | null)[]}
     */
    this.regions = Array.from({ length: count }, (_, k) => {
      const mask = this._masks[k];
      return mask && mask.level === null ? mask : null;
    });
  }

  /**
   * The strengths in a part of the picture: numbers where nothing differs from place to place, else
   * maps, for the whole picture alike, so that no tile is rounded otherwise than its neighbor.
   *
   * @param {Span} rows
   * @param {Span} columns
   * @returns {Amounts}
   */
  window(rows, columns) {
    const size = { width: columns.stop - columns.start, height: rows.stop - rows.start };
    const positions = size.width * size.height;
    const { count, _alpha: alpha } = this;
    const level = typeof alpha === "number" ? alpha : alpha.level;
    if (this._flat && level !== null) {
      return { count, size: null, data: this._weights.map((share) => share * level) };
    }
    const data = new Float32Array(count * positions);
    if (this._flat) {
      for (let k = 0; k < count; k++) {
        data.fill(this._weights[k], k * positions, (k + 1) * positions);
      }
    } else {
      const masks = this._masks.map((mask) => mask.window(rows, columns));
      shares(Float32Array.from(this._weights), masks, data);
    }
    if (level === null) {
      const map = /** @type {PlaneWindows} */ (alpha).window(rows, columns);
      for (let k = 0, i = 0; k < count; k++) {
        for (let j = 0; j < positions; j++, i++) data[i] *= map[j];
      }
    } else if (level !== 1) {
      for (let i = 0; i < data.length; i++) data[i] *= level;
    }
    return { count, size, data };
  }

  /**
   * The strengths in a part of the padded picture.
   *
   * @param {Int32Array} down the rows of the picture that it shows, of `reflected`
   * @param {Int32Array} across the columns
   * @returns {Amounts}
   */
  padded(down, across) {
    const found = this.window(spanOf(down), spanOf(across));
    if (found.size === null) return found;
    const data = paddedMaps(found.data, found.count, down, across);
    return { count: found.count, size: { width: across.length, height: down.length }, data };
  }

  /**
   * Strengths at the positions of a level.
   *
   * @param {Amounts} spread at pixels, of whole cells
   * @param {number} stride pixels of the picture for one position
   * @returns {Amounts} numbers as they are
   */
  cells({ count, size, data }, stride) {
    if (size === null) return { count, size, data };
    // Maps of one size, one below the other, are one map of so many times the height.
    const stacked = { width: size.width, height: size.height * count, data };
    const small = cellAverage(stacked, stride);
    const height = small.height / count;
    if (!Number.isInteger(height)) {
      throw new PaintError(`A map ${size.height} pixels high has no whole cells of ${stride}.`);
    }
    return { count, size: { width: small.width, height }, data: small.data };
  }
}

/** @type {Plane} */
const FULL = { width: 1, height: 1, data: Float32Array.of(1) };
