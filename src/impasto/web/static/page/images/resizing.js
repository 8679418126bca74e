// @ts-check
/**
 * Pictures and planes made smaller or larger, without aliasing. Mirrors impasto/images/resizing.py:
 * Lanczos of radius 3, widened when reducing, as Pillow scales floats.
 */

import { PaintError } from "../errors.js";

/** @typedef {import("../types").Plane} Plane */
/** @typedef {import("../types").Span} Span */

/** A picture is never scaled to more pixels than these, or than it has. */
export const MAX_PIXELS = 200_000_000;

/** How far Lanczos looks, in pixels of the larger of both scales. */
const SUPPORT = 3;

/**
 * Height and width of a picture whose shorter side becomes `size`.
 *
 * @param {number} height before, in pixels
 * @param {number} width before
 * @param {number} size of the shorter side, in pixels
 * @returns {{height: number, width: number}}
 */
export function scaledSize(height, width, size) {
  if (!Number.isInteger(size) || size < 1) {
    throw new PaintError(`The size must be a whole number of pixels, 1 or more, not ${size}.`);
  }
  const shorter = Math.min(height, width);
  if (shorter === size) return { height, width };
  const high = Math.max(1, roundHalfEven((height * size) / shorter));
  const wide = Math.max(1, roundHalfEven((width * size) / shorter));
  if (high * wide > Math.max(MAX_PIXELS, height * width)) {
    throw new PaintError(
      `A picture of ${width} x ${height} pixels with a shorter side of ${size} would have ` +
        `${wide} x ${high} pixels: choose a smaller size.`,
    );
  }
  return { height: high, width: wide };
}

/**
 * Scale one channel, an alpha or a mask.
 *
 * @param {Plane} plane numbers in [0, 1]
 * @param {number} height of the result, 1 or more
 * @param {number} width of the result, 1 or more
 * @returns {Plane} numbers in [0, 1]
 */
export function resizePlane(plane, height, width) {
  const vertical = Stretch.of(plane.height, height, { start: 0, stop: height });
  const horizontal = Stretch.of(plane.width, width, { start: 0, stop: width });
  const data = stretched(plane.data, 1, vertical, horizontal);
  clip(data);
  return { width, height, data };
}

/** Scaling along one axis by Lanczos, as Pillow does it, of a part alone. */
export class Stretch {
  /**
   * @param {Span} wanted the pixels that have a say
   * @param {Int32Array} first for every pixel of the result the first of them that it takes
   * @param {Int32Array} taps how many it takes
   * @param {Float64Array} weights of them, in rows of `most`
   * @param {number} most the largest of `taps`
   */
  constructor(wanted, first, taps, weights, most) {
    this.wanted = wanted;
    this.first = first;
    this.taps = taps;
    this.weights = weights;
    this.most = most;
  }

  /**
   * Scale `stored` pixels to `length`, of which `cut` is wanted.
   *
   * @param {number} stored
   * @param {number} length
   * @param {Span} cut
   * @returns {Stretch}
   */
  static of(stored, length, cut) {
    const scale = stored / length;
    const wide = Math.max(scale, 1);
    const reach = SUPPORT * wide;
    const count = cut.stop - cut.start;
    const first = new Int32Array(count);
    const taps = new Int32Array(count);
    let most = 0;
    let start = stored;
    let stop = 0;
    for (let i = 0; i < count; i++) {
      const center = (cut.start + i + 0.5) * scale;
      first[i] = Math.max(Math.trunc(center - reach + 0.5), 0);
      const last = Math.min(Math.trunc(center + reach + 0.5), stored);
      taps[i] = last - first[i];
      most = Math.max(most, taps[i]);
      start = Math.min(start, first[i]);
      stop = Math.max(stop, last);
    }
    const weights = new Float64Array(count * most);
    for (let i = 0; i < count; i++) {
      const center = (cut.start + i + 0.5) * scale;
      let total = 0;
      for (let tap = 0; tap < taps[i]; tap++) {
        const weight = lanczos((first[i] + tap - center + 0.5) / wide);
        weights[i * most + tap] = weight;
        total += weight;
      }
      for (let tap = 0; tap < taps[i]; tap++) weights[i * most + tap] /= total;
      first[i] -= start;
    }
    return new Stretch({ start, stop }, first, taps, weights, most);
  }

  /** How many pixels the result has. */
  get length() {
    return this.first.length;
  }

  /**
   * Scale rows of three or of one channel along their pixels.
   *
   * @param {Float32Array} from rows of the pixels that are wanted
   * @param {number} channels 3 or 1
   * @param {number} rows how many
   * @param {Float32Array} to
   * @param {number} at the row of `to` where the first of them goes
   */
  across(from, channels, rows, to, at) {
    if (channels === 3) this._acrossThree(from, rows, to, at);
    else this._acrossOne(from, rows, to, at);
  }

  /**
   * Scale rows along the other axis.
   *
   * @param {Float32Array} from the rows that are wanted
   * @param {number} width numbers in a row
   * @returns {Float32Array}
   */
  down(from, width) {
    const { first, taps, weights, most, length } = this;
    const to = new Float32Array(length * width);
    const sums = new Float64Array(width);
    for (let row = 0; row < length; row++) {
      let a = first[row] * width;
      let w = row * most;
      let left = taps[row];
      sums.fill(0);
      // Four rows at a time: the sums are read and written a quarter as often.
      for (; left >= 4; left -= 4, w += 4, a += 4 * width) {
        const p = weights[w];
        const q = weights[w + 1];
        const r = weights[w + 2];
        const s = weights[w + 3];
        const b = a + width;
        const c = b + width;
        const d = c + width;
        for (let x = 0; x < width; x++) {
          sums[x] += from[a + x] * p + from[b + x] * q + from[c + x] * r + from[d + x] * s;
        }
      }
      for (; left > 0; left--, w++, a += width) {
        const p = weights[w];
        for (let x = 0; x < width; x++) sums[x] += from[a + x] * p;
      }
      to.set(sums, row * width);
    }
    return to;
  }

  /**
   * @param {Float32Array} from
   * @param {number} rows
   * @param {Float32Array} to
   * @param {number} at
   */
  _acrossThree(from, rows, to, at) {
    const { first, taps, weights, most, length } = this;
    const stored = (this.wanted.stop - this.wanted.start) * 3;
    let out = at * length * 3;
    for (let row = 0; row < rows; row++) {
      for (let x = 0; x < length; x++, out += 3) {
        let red = 0;
        let green = 0;
        let blue = 0;
        let i = row * stored + first[x] * 3;
        let w = x * most;
        for (const end = w + taps[x]; w < end; w++, i += 3) {
          const weight = weights[w];
          red += from[i] * weight;
          green += from[i + 1] * weight;
          blue += from[i + 2] * weight;
        }
        to[out] = red;
        to[out + 1] = green;
        to[out + 2] = blue;
      }
    }
  }

  /**
   * @param {Float32Array} from
   * @param {number} rows
   * @param {Float32Array} to
   * @param {number} at
   */
  _acrossOne(from, rows, to, at) {
    const { first, taps, weights, most, length } = this;
    const stored = this.wanted.stop - this.wanted.start;
    let out = at * length;
    for (let row = 0; row < rows; row++) {
      for (let x = 0; x < length; x++, out++) {
        let total = 0;
        let i = row * stored + first[x];
        let w = x * most;
        for (const end = w + taps[x]; w < end; w++, i++) total += from[i] * weights[w];
        to[out] = total;
      }
    }
  }
}

/**
 * Scale a part of a picture along both axes; along the rows first, as Pillow does.
 *
 * @param {Float32Array} data of the rows and columns that both want, `channels` numbers a pixel
 * @param {number} channels 3 or 1
 * @param {Stretch} vertical
 * @param {Stretch} horizontal
 * @returns {Float32Array} not clipped
 */
export function stretched(data, channels, vertical, horizontal) {
  const rows = vertical.wanted.stop - vertical.wanted.start;
  const scaled = new Float32Array(rows * horizontal.length * channels);
  horizontal.across(data, channels, rows, scaled, 0);
  return vertical.down(scaled, horizontal.length * channels);
}

/**
 * Clip numbers to [0, 1], where they lie.
 *
 * @param {Float32Array} data
 */
export function clip(data) {
  for (let i = 0; i < data.length; i++) {
    if (data[i] < 0) data[i] = 0;
    else if (data[i] > 1) data[i] = 1;
  }
}

/**
 * The nearest whole number, and of two the even one, as Python rounds: sizes must be the same.
 *
 * @param {number} value 0 or more
 * @returns {number}
 */
export function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below + (below % 2);
  return rest < 0.5 ? below : below + 1;
}

/** @param {number} at */
function lanczos(at) {
  if (at === 0) return 1;
  if (Math.abs(at) > SUPPORT) return 0;
  const turn = Math.PI * at;
  return ((Math.sin(turn) / turn) * Math.sin(turn / SUPPORT)) / (turn / SUPPORT);
}
