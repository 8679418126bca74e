// @ts-check
/**
 * Masks and maps of strength: planes of any size -> numbers for a photograph. Mirrors
 * impasto/controls/masks.py.
 */

import { PaintError } from "../errors.js";
import { cutOut } from "../images/windows.js";
import { Stretch, stretched } from "../images/resizing.js";

/** @typedef {import("../types").Pixels} Pixels */
/** @typedef {import("../types").Plane} Plane */
/** @typedef {import("../types").Span} Span */

/** What JPEG makes of gray: its three channels need not stay equal to the last bit. */
const GRAY_SPREAD = 4;

/** Less of a mask than this is rounding. */
const NOTHING = 1e-6;

/** Rounding errors outside the range of a mask that are clipped and not refused. */
const SLACK = 1e-3;

/**
 * A mask from a picture of it. If the picture has an alpha channel that is not opaque everywhere,
 * that is the mask, so a cut-out will do whatever its colors are. Otherwise its gray values are:
 * white is all, black is nothing, and what is between is a soft border.
 *
 * @param {Pixels} pixels
 * @param {string} name what to call it in a message
 * @returns {Plane} of the picture's own size
 */
export function readMask({ width, height, data }, name) {
  const plane = new Float32Array(width * height);
  let spread = 0;
  let cutOutOfColors = false;
  for (let i = 0; i < data.length; i += 4) {
    const red = data[i];
    const green = data[i + 1];
    const blue = data[i + 2];
    const most = Math.max(red, green, blue) - Math.min(red, green, blue);
    if (most > spread) spread = most;
    if (data[i + 3] !== 255) cutOutOfColors = true;
    plane[i >> 2] = (red + green + blue) / 765;
  }
  if (cutOutOfColors) {
    for (let i = 0; i < plane.length; i++) plane[i] = data[4 * i + 3] / 255;
  } else if (spread > GRAY_SPREAD) {
    throw new PaintError(
      `${name} is a picture in color, whose channels differ by up to ${spread} of 255; a mask is ` +
        "a gray picture, or one with an alpha channel.",
    );
  }
  return { width, height, data: plane };
}

/**
 * A plane, if it is one number for each place.
 *
 * @param {Plane} plane numbers in [0, high]; rounding errors are clipped
 * @param {string} what what to call it in a message, with a capital
 * @param {number} [high] the largest value allowed
 * @returns {Plane}
 */
export function checkPlane(plane, what, high = 1) {
  const { width, height, data } = plane;
  if (!(width >= 1 && height >= 1 && data.length === width * height)) {
    throw new PaintError(`${what} of ${width} x ${height} has ${data.length} numbers.`);
  }
  let lowest = Infinity;
  let highest = -Infinity;
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (!Number.isFinite(value)) throw new PaintError(`${what} holds ${value}.`);
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  if (lowest < -SLACK || highest > high + SLACK) {
    throw new PaintError(
      `The values of ${what} must lie in [0, ${high}], not in [${lowest}, ${highest}].`,
    );
  }
  if (lowest >= 0 && highest <= high) return plane;
  return { width, height, data: data.map((value) => Math.min(Math.max(value, 0), high)) };
}

/** A mask or a map, stretched to a picture a window at a time. */
export class PlaneWindows {
  /**
   * @param {Plane} plane numbers in [0, 2]
   * @param {number} height of the picture
   * @param {number} width of the picture
   */
  constructor(plane, height, width) {
    this.height = height;
    this.width = width;
    this._plane = plane;
    let low = Infinity;
    let high = -Infinity;
    for (let i = 0; i < plane.data.length; i++) {
      const value = plane.data[i];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    this._low = low;
    this._high = high;
  }

  /** The one value of a mask that is the same everywhere; else null. */
  get level() {
    return this._low === this._high ? this._low : null;
  }

  /**
   * A part of it, from pixel to pixel of the picture.
   *
   * @param {Span} rows
   * @param {Span} columns
   * @returns {Float32Array}
   */
  window(rows, columns) {
    const plane = this._plane;
    if (this.level !== null) {
      const size = (rows.stop - rows.start) * (columns.stop - columns.start);
      return new Float32Array(size).fill(this.level);
    }
    if (plane.width === this.width && plane.height === this.height) {
      return cutOut(plane.data, plane.width, 1, rows, columns);
    }
    const vertical = Stretch.of(plane.height, this.height, rows);
    const horizontal = Stretch.of(plane.width, this.width, columns);
    const low = this._low;
    const span = Math.fround(this._high - low);
    // Scaling overshoots at edges as far as it may: to the limits of the mask, 0 and 1 here.
    const part = cutOut(plane.data, plane.width, 1, vertical.wanted, horizontal.wanted);
    for (let i = 0; i < part.length; i++) part[i] = Math.fround(part[i] - low) / span;
    const scaled = stretched(part, 1, vertical, horizontal);
    withoutRounding(scaled);
    for (let i = 0; i < scaled.length; i++) scaled[i] = Math.fround(scaled[i] * span) + low;
    return scaled;
  }
}

/**
 * A mask or a map stretched to a picture's size.
 *
 * @param {Plane} plane
 * @param {number} height
 * @param {number} width
 * @returns {Plane} itself if it has the size
 */
export function fit(plane, height, width) {
  if (plane.width === width && plane.height === height) return plane;
  const whole = [
    { start: 0, stop: height },
    { start: 0, stop: width },
  ];
  const data = new PlaneWindows(plane, height, width).window(whole[0], whole[1]);
  return { width, height, data };
}

/**
 * Clip a plane after scaling to [0, 1], where it lies, and to 0 where nothing but rounding is left:
 * where styles of weight 0 cover a place, any mask above 0 takes all of it.
 *
 * @param {Float32Array} scaled
 */
export function withoutRounding(scaled) {
  for (let i = 0; i < scaled.length; i++) {
    if (scaled[i] < NOTHING) scaled[i] = 0;
    else if (scaled[i] > 1) scaled[i] = 1;
  }
}
