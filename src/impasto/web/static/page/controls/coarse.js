// @ts-check
/**
 * Larger strokes: a picture is painted small, enlarged, and painted again at its full size. Mirrors
 * impasto/controls/coarse.py, which says how much of the photograph's detail is given back.
 */

import { PaintError } from "../errors.js";
import { roundHalfEven } from "../images/resizing.js";
import { FloatSource, ScaledSource } from "../images/windows.js";

/** @typedef {import("../types").Source} Source */
/** @typedef {import("../types").Span} Span */
/** @typedef {import("../types").Window} Window */
/** @typedef {import("./regions.js").StyleMap} StyleMap */

/** The largest factor: beyond it little of the photograph is left to be recognized. */
export const MAX_COARSE = 4;

/** Share of the photograph's fine detail that is given back. */
export const DETAIL = Math.fround(0.7);

/** The shorter side that a picture must have to be painted, in pixels. */
export const MIN_SIDE = 16;

/**
 * The factor of the strokes' size, if it is one.
 *
 * @param {number} coarse a number from 1 to 4
 * @returns {number}
 */
export function checkCoarse(coarse) {
  if (!(typeof coarse === "number" && coarse >= 1 && coarse <= MAX_COARSE)) {
    throw new PaintError(
      `The size of strokes must be a number from 1 to ${MAX_COARSE}, not ${coarse}.`,
    );
  }
  return coarse;
}

/**
 * Height and width at which a picture is painted first.
 *
 * @param {number} height
 * @param {number} width
 * @param {number} coarse
 * @returns {{height: number, width: number}}
 */
export function smallSize(height, width, coarse) {
  const factor = Math.min(coarse, Math.min(height, width) / MIN_SIDE);
  return {
    height: Math.max(MIN_SIDE, roundHalfEven(height / factor)),
    width: Math.max(MIN_SIDE, roundHalfEven(width / factor)),
  };
}

/** A photograph with its strokes laid in, to be painted at full size. */
export class CoarseSource {
  /**
   * @param {Source} photograph the photograph
   * @param {Source} reduced the photograph at the size of `painted`
   * @param {Window} painted what was painted of that
   * @param {StyleMap} amounts the strength of each style at every place; where it is 0, the
   *   photograph stays
   */
  constructor(photograph, reduced, painted, amounts) {
    const { height, width } = photograph;
    this.height = height;
    this.width = width;
    this._photograph = photograph;
    this._strokes = new ScaledSource(new FloatSource(painted), height, width, null);
    this._blurred = new ScaledSource(reduced, height, width, null);
    this._amounts = amounts;
  }

  /**
   * @param {Span} rows
   * @param {Span} columns
   * @returns {Window}
   */
  window(rows, columns) {
    const { width, height, image, alpha } = this._photograph.window(rows, columns);
    const result = this._strokes.window(rows, columns).image;
    const blurred = this._blurred.window(rows, columns).image;
    for (let i = 0; i < result.length; i++) {
      const coarse = result[i] + DETAIL * Math.fround(image[i] - blurred[i]);
      result[i] = Math.min(Math.max(coarse, 0), 1);
    }
    const { count, size, data } = this._amounts.window(rows, columns);
    const positions = size ? width * height : 1;
    for (let pixel = 0, i = 0; pixel < width * height; pixel++, i += 3) {
      let share = 0;
      for (let k = 0, j = size ? pixel : 0; k < count; k++, j += positions) share += data[j];
      share = Math.fround(Math.min(share, 1));
      if (share === 1) continue;
      // Written so that a share of 0 gives exactly the photograph.
      const rest = 1 - share;
      result[i] = result[i] * share + image[i] * rest;
      result[i + 1] = result[i + 1] * share + image[i + 1] * rest;
      result[i + 2] = result[i + 2] * share + image[i + 2] * rest;
    }
    return { width, height, image: result, alpha };
  }
}
