// @ts-check
/**
 * Moments of features: mean and deviation per channel, weighted, of a region, merged from pieces.
 *
 * Mirrors impasto/controls/moments.py: the moments of a picture that is encoded in tiles are
 * gathered tile by tile (Chan, Golub & LeVeque 1979), in float64, so the result does not depend on
 * where the picture was cut.
 */

import { PaintError } from "../errors.js";

/** @typedef {import("../types").Moments} Moments */
/** @typedef {import("../types").Span} Span */
/** @typedef {Float32Array | Float64Array} Floats */

/** Added to a variance before the square root: flat channels stay finite. */
export const EPS = 1e-5;

/** Effective number of a level's positions below which a region has no moments of its own. */
export const MIN_CELLS = 16;

/**
 * Mean and standard deviation over the positions of each channel.
 *
 * @param {Floats} features (C, h, w)
 * @param {number} channels C
 * @param {Floats | null} [weights] (h, w), how much each position counts: 0 or more, not all 0;
 *   null: all the same
 * @returns {Moments}
 */
export function moments(features, channels, weights = null) {
  const positions = features.length / channels;
  if (!(channels >= 1 && positions >= 1 && Number.isInteger(positions))) {
    throw new PaintError(
      `Features must have the shape (C, h, w) with at least one position, not ${features.length} ` +
        `numbers in ${channels} channels.`,
    );
  }
  if (weights !== null) checkCounts(weights, positions);
  const found = new Gathered(channels);
  found.add(features, channels, 1, positions, weights);
  return found.moments;
}

/** Moments of a level's features, of as many pieces as have been added so far. */
export class Gathered {
  /** @param {number} channels C of the level */
  constructor(channels) {
    this.channels = channels;
    this._count = 0;
    this._squares = 0;
    this._mean = new Float64Array(channels);
    this._m2 = new Float64Array(channels);
  }

  /**
   * Take in a piece: positions that were not added before.
   *
   * @param {Floats} features (C, height, width)
   * @param {number} channels C
   * @param {number} height
   * @param {number} width
   * @param {Floats | null} [counts] how much each position counts, 0 or more; null: all the same.
   *   Of the part that `cut` names, row by row.
   * @param {{rows: Span, columns: Span} | null} [cut] the part of the features that is added;
   *   null: all of them
   */
  add(features, channels, height, width, counts = null, cut = null) {
    if (channels !== this.channels || features.length !== channels * height * width) {
      throw new PaintError(
        `A piece of ${channels} x ${height} x ${width} does not fit a level of ` +
          `${this.channels} channels, or has other than ${features.length} numbers.`,
      );
    }
    const top = cut ? cut.rows.start : 0;
    const left = cut ? cut.columns.start : 0;
    const high = (cut ? cut.rows.stop : height) - top;
    const wide = (cut ? cut.columns.stop : width) - left;
    let count = high * wide;
    let squares = count;
    if (counts) {
      count = squares = 0;
      for (let i = 0; i < counts.length; i++) {
        count += counts[i];
        squares += counts[i] * counts[i];
      }
    }
    if (count === 0) return; // most of a picture is outside small regions
    // Rows that lie one after the other are one long row.
    const rows = wide === width ? 1 : high;
    const length = wide === width ? high * wide : wide;
    const total = this._count + count;
    const share = count / total;
    for (let channel = 0; channel < channels; channel++) {
      const start = (channel * height + top) * width + left;
      const mean = counts
        ? weightedSum(features, start, width, rows, length, counts) / count
        : sum(features, start, width, rows, length) / count;
      const m2 = counts
        ? weightedSquares(features, start, width, rows, length, counts, mean)
        : sumOfSquares(features, start, width, rows, length, mean);
      const apart = mean - this._mean[channel];
      this._m2[channel] += m2 + apart * apart * (this._count / total) * count;
      this._mean[channel] += apart * share;
    }
    this._count = total;
    this._squares += squares;
  }

  /** Effective number of positions, as `effectiveCells`. */
  get effective() {
    return this._squares > 0 ? (this._count * this._count) / this._squares : 0;
  }

  /**
   * Mean and deviation of all that was added; something must have been.
   *
   * @returns {Moments}
   */
  get moments() {
    const std = this._m2.map((m2) => Math.sqrt(m2 / this._count + EPS));
    return { mean: this._mean.slice(), std, count: this._count };
  }

  /**
   * The moments, or `whole` if these positions are too few.
   *
   * @param {Moments} whole
   * @returns {Moments}
   */
  momentsOr(whole) {
    return enough(this.effective) ? this.moments : whole;
  }
}

/**
 * Moments of a region of a level, or those of the whole picture if it is too small.
 *
 * @param {Floats} features (C, h, w) of the level
 * @param {number} channels C
 * @param {Floats} counts (h, w), how much each position belongs to the region, in [0, 1]
 * @param {Moments} whole the moments to fall back to
 * @returns {Moments}
 */
export function regionMoments(features, channels, counts, whole) {
  return enough(effectiveCells(counts)) ? moments(features, channels, counts) : whole;
}

/**
 * A mask or a map at a level's resolution: the mean over each of its cells.
 *
 * @param {{width: number, height: number, data: Floats}} plane both sides multiples of `stride`
 * @param {number} stride pixels of the picture for one position of the level
 * @returns {{width: number, height: number, data: Float64Array}}
 */
export function cellAverage(plane, stride) {
  const width = plane.width / stride;
  const height = plane.height / stride;
  if (!Number.isInteger(width) || !Number.isInteger(height)) {
    throw new PaintError(
      `A map of ${plane.width} x ${plane.height} pixels has no whole cells of ${stride}.`,
    );
  }
  const data = new Float64Array(width * height);
  cellSums(plane.data, 0, plane.width, data, 0, width, height, stride);
  const share = stride * stride;
  for (let i = 0; i < data.length; i++) data[i] /= share;
  return { width, height, data };
}

/**
 * Effective number of positions of a soft region, `(sum w)^2 / sum w^2` (Kish, 1965).
 *
 * @param {Floats} counts how much each position counts, 0 or more
 * @returns {number} the number of positions of a hard region, fewer of a soft one
 */
export function effectiveCells(counts) {
  let total = 0;
  let squares = 0;
  for (let i = 0; i < counts.length; i++) {
    total += counts[i];
    squares += counts[i] * counts[i];
  }
  return squares > 0 ? (total * total) / squares : 0;
}

/**
 * Whether a region of so many effective positions has moments of its own. Regions of exactly
 * `MIN_CELLS` are common; the order in which they were summed must not decide.
 *
 * @param {number} effective
 */
export function enough(effective) {
  return effective >= MIN_CELLS * (1 - 1e-9);
}

/**
 * Add the pixels of each cell to its sum.
 *
 * @param {Floats} from
 * @param {number} start where the plane begins
 * @param {number} stored pixels of one of its rows
 * @param {Float64Array} to
 * @param {number} at where the sums begin
 * @param {number} width cells in a row
 * @param {number} height
 * @param {number} stride
 */
function cellSums(from, start, stored, to, at, width, height, stride) {
  for (let y = 0; y < height * stride; y++) {
    const row = at + Math.floor(y / stride) * width;
    let i = start + y * stored;
    for (let x = 0; x < width; x++) {
      let total = 0;
      for (const end = i + stride; i < end; i++) total += from[i];
      to[row + x] += total;
    }
  }
}

/**
 * Four sums at a time: each addition waits for the one before it in its own sum only.
 *
 * @param {Floats} values
 * @param {number} start
 * @param {number} stored
 * @param {number} rows
 * @param {number} length
 */
function sum(values, start, stored, rows, length) {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let row = 0; row < rows; row++) {
    let i = start + row * stored;
    const end = i + length;
    for (; i + 3 < end; i += 4) {
      a += values[i];
      b += values[i + 1];
      c += values[i + 2];
      d += values[i + 3];
    }
    for (; i < end; i++) a += values[i];
  }
  return a + b + (c + d);
}

/**
 * @param {Floats} values
 * @param {number} start
 * @param {number} stored
 * @param {number} rows
 * @param {number} length
 * @param {number} mean
 */
function sumOfSquares(values, start, stored, rows, length, mean) {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let row = 0; row < rows; row++) {
    let i = start + row * stored;
    const end = i + length;
    for (; i + 3 < end; i += 4) {
      const p = values[i] - mean;
      const q = values[i + 1] - mean;
      const r = values[i + 2] - mean;
      const s = values[i + 3] - mean;
      a += p * p;
      b += q * q;
      c += r * r;
      d += s * s;
    }
    for (; i < end; i++) a += (values[i] - mean) * (values[i] - mean);
  }
  return a + b + (c + d);
}

/**
 * @param {Floats} values
 * @param {number} start
 * @param {number} stored
 * @param {number} rows
 * @param {number} length
 * @param {Floats} counts
 */
function weightedSum(values, start, stored, rows, length, counts) {
  let a = 0;
  let b = 0;
  let k = 0;
  for (let row = 0; row < rows; row++) {
    let i = start + row * stored;
    const end = i + length;
    for (; i + 1 < end; i += 2, k += 2) {
      a += values[i] * counts[k];
      b += values[i + 1] * counts[k + 1];
    }
    if (i < end) a += values[i] * counts[k++];
  }
  return a + b;
}

/**
 * @param {Floats} values
 * @param {number} start
 * @param {number} stored
 * @param {number} rows
 * @param {number} length
 * @param {Floats} counts
 * @param {number} mean
 */
function weightedSquares(values, start, stored, rows, length, counts, mean) {
  let a = 0;
  let b = 0;
  let k = 0;
  for (let row = 0; row < rows; row++) {
    let i = start + row * stored;
    const end = i + length;
    for (; i + 1 < end; i += 2, k += 2) {
      const p = values[i] - mean;
      const q = values[i + 1] - mean;
      a += p * p * counts[k];
      b += q * q * counts[k + 1];
    }
    if (i < end) a += (values[i] - mean) * (values[i] - mean) * counts[k++];
  }
  return a + b;
}

/**
 * @param {Floats} counts
 * @param {number} positions
 */
function checkCounts(counts, positions) {
  if (counts.length !== positions) {
    throw new PaintError(
      `There must be one weight for each of ${positions} positions, not ${counts.length}.`,
    );
  }
  let total = 0;
  let lowest = 0;
  for (let i = 0; i < counts.length; i++) {
    total += counts[i];
    if (counts[i] < lowest) lowest = counts[i];
  }
  if (!(Number.isFinite(total) && total > 0 && lowest >= 0)) {
    throw new PaintError("Weights must be finite numbers of 0 or more, not all 0.");
  }
}
