// @ts-check
/**
 * Alignment of statistics: the heart of style transfer, as pure functions on arrays. Mirrors
 * impasto/controls/affine.py.
 *
 * Adaptive instance normalization (Huang & Belongie, ICCV 2017, eq. 8) is one multiplication and
 * one addition per channel, `x * scale + shift`. Sums run in float64; only the result is rounded to
 * the float32 that the graphs take.
 */

import { PaintError } from "../errors.js";

/** @typedef {import("../types").Moments} Moments */
/** @typedef {import("../types").Affine} Affine */
/** @typedef {import("../types").Amounts} Amounts */
/** @typedef {{gain: Float64Array, shift: Float64Array}} Pair difference from the identity */

/** The largest strength: above 1 the style is exaggerated, above 2 pictures fall apart. */
export const MAX_ALPHA = 2;

/**
 * One set of moments between several: the weighted mean of their means and of their deviations.
 *
 * @param {Moments[]} styles the moments of one level of K styles
 * @param {number[] | null} weights K numbers of 0 or more; only their ratios count
 * @returns {Moments}
 */
export function blend(styles, weights) {
  const shares = checkWeights(weights, styles.length);
  const channels = styles[0].mean.length;
  const mean = new Float64Array(channels);
  const std = new Float64Array(channels);
  for (const [k, style] of styles.entries()) {
    if (style.mean.length !== channels) {
      const counts = styles.map((each) => each.mean.length).join(" and ");
      throw new PaintError(
        `Styles with ${counts} channels cannot be blended: use one model for all.`,
      );
    }
    for (let c = 0; c < channels; c++) {
      mean[c] += shares[k] * style.mean[c];
      std[c] += shares[k] * style.std[c];
    }
  }
  return { mean, std, count: null };
}

/**
 * The weights of styles, divided by their sum.
 *
 * @param {ArrayLike<number> | null} weights one for each style, 0 or more, not all 0; null: all the
 *   same
 * @param {number} count how many styles there are
 * @returns {Float64Array} numbers that sum to 1
 */
export function checkWeights(weights, count) {
  if (count < 1) throw new PaintError("At least one style is needed, not 0.");
  const given = weights === null ? new Float64Array(count).fill(1) : Float64Array.from(weights);
  if (given.length !== count) {
    throw new PaintError(
      `There must be one weight for each style, not ${counted(given.length, "weight")} for ` +
        `${counted(count, "style")}.`,
    );
  }
  const largest = given.reduce((a, b) => Math.max(a, b), 0); // NaN if any is
  if (!Number.isFinite(largest) || largest === 0 || given.some((each) => each < 0)) {
    throw new PaintError(
      `The weights of styles must be numbers of 0 or more, not all 0, not ${given.join(", ")}.`,
    );
  }
  // By the largest first: the sum of the largest and of the smallest numbers there are is finite.
  const scaled = given.map((each) => each / largest);
  const total = scaled.reduce((a, b) => a + b, 0);
  return scaled.map((each) => each / total);
}

/**
 * The strength, if it is one.
 *
 * @param {number} alpha a finite number in [0, 2]
 * @returns {number}
 */
export function checkAlpha(alpha) {
  if (!(typeof alpha === "number" && alpha >= 0 && alpha <= MAX_ALPHA)) {
    throw new PaintError(`The strength must be a number from 0 to ${MAX_ALPHA}, not ${alpha}.`);
  }
  return alpha;
}

/**
 * Scale and shift that give a content's features the moments of a style.
 *
 * @param {Moments} content moments of the features that the map will be applied to
 * @param {Moments} style moments of the style's features at the same level
 * @param {number} [alpha] strength in [0, 2]: 0 the photograph, 1 the style
 * @returns {Affine} a number for each channel; at `alpha` 0 exactly 1 and 0
 */
export function adain(content, style, alpha = 1) {
  const data = Float64Array.of(checkAlpha(alpha));
  return combine([gainAndShift(content, style)], { count: 1, size: null, data });
}

/**
 * Difference of AdaIN from the identity, in float64: `s - 1` and `mu(y) - mu(x) * s`, where `s` is
 * `sigma(y) / sigma(x)`. Every control is a sum of such pairs, each times a strength.
 *
 * @param {Moments} content moments of the features `x`
 * @param {Moments} style moments of the style's features `y` at the same level
 * @returns {Pair}
 */
export function gainAndShift(content, style) {
  const channels = content.mean.length;
  if (style.mean.length !== channels) {
    throw new PaintError(
      `The style has ${style.mean.length} channels where the content has ${channels}: make it ` +
        "again with this model.",
    );
  }
  const gain = new Float64Array(channels);
  const shift = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    const ratio = style.std[c] / content.std[c];
    gain[c] = ratio - 1;
    shift[c] = style.mean[c] - content.mean[c] * ratio;
  }
  return { gain, shift };
}

/**
 * Scale and shift of one level for K styles, each with its strength at every place.
 *
 * @param {Moments[]} contents for each style the moments that the content has where it goes
 * @param {Moments[]} styles the moments of each style at this level
 * @param {Amounts} amounts the strength of each style, at the positions of the level
 * @returns {Affine}
 */
export function align(contents, styles, amounts) {
  if (contents.length !== styles.length) {
    throw new PaintError(
      `There are ${contents.length} moments of the content for ${styles.length} styles.`,
    );
  }
  return combine(
    contents.map((content, k) => gainAndShift(content, styles[k])),
    amounts,
  );
}

/**
 * Add up differences from the identity, each times its strength at every place.
 *
 * @param {Pair[]} pairs of K styles, as `gainAndShift` gives them
 * @param {Amounts} amounts the strength of each style
 * @returns {Affine} a number for each channel where strengths are numbers, else (C, h, w); exactly
 *   1 and 0 where all strengths are 0
 */
export function combine(pairs, amounts) {
  const count = pairs.length;
  const channels = pairs[0].gain.length;
  const positions = amounts.size ? amounts.size.width * amounts.size.height : 1;
  if (amounts.count !== count || amounts.data.length !== count * positions) {
    throw new PaintError(`There are strengths of ${amounts.count} styles for ${count} styles.`);
  }
  const scale = new Float32Array(channels * positions);
  const shift = new Float32Array(channels * positions);
  const one = pairs[0];
  for (let c = 0; c < channels; c++) {
    const at = c * positions;
    if (count === 1) combineOne(scale, shift, at, positions, one.gain[c], one.shift[c], amounts);
    else {
      const gains = Float64Array.from(pairs, (pair) => pair.gain[c]);
      const shifts = Float64Array.from(pairs, (pair) => pair.shift[c]);
      combineMany(scale, shift, at, positions, gains, shifts, amounts);
    }
  }
  return { scale, shift };
}

/**
 * @param {Float32Array} scale
 * @param {Float32Array} shift
 * @param {number} at where the channel begins
 * @param {number} positions
 * @param {number} gain
 * @param {number} move
 * @param {Amounts} amounts
 */
function combineOne(scale, shift, at, positions, gain, move, amounts) {
  const strengths = amounts.data;
  for (let i = 0; i < positions; i++) {
    scale[at + i] = 1 + gain * strengths[i];
    shift[at + i] = move * strengths[i];
  }
}

/**
 * @param {Float32Array} scale
 * @param {Float32Array} shift
 * @param {number} at
 * @param {number} positions
 * @param {Float64Array} gains one for each style
 * @param {Float64Array} shifts
 * @param {Amounts} amounts
 */
function combineMany(scale, shift, at, positions, gains, shifts, amounts) {
  const strengths = amounts.data;
  const count = gains.length;
  for (let i = 0; i < positions; i++) {
    let gain = 0;
    let move = 0;
    for (let k = 0, j = i; k < count; k++, j += positions) {
      gain += gains[k] * strengths[j];
      move += shifts[k] * strengths[j];
    }
    scale[at + i] = 1 + gain;
    shift[at + i] = move;
  }
}

/**
 * @param {number} count
 * @param {string} what
 */
function counted(count, what) {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
