// @ts-check
/**
 * Plain pictures: those without contrast, which alignment of statistics would blow up to a pattern.
 * Mirrors impasto/controls/plain.py, which says why.
 */

/** @typedef {import("../types").Moments} Moments */

/** Range of colors up to which a picture is plain: what rounding to 8 bits and JPEG leave. */
export const PLAIN = 4 / 255;

/** Range of colors from which a picture has all of its contrast. */
export const TEXTURED = 16 / 255;

/**
 * Share of the style's contrast that a picture is given: 0 if it is plain, 1 if it is not.
 *
 * @param {number} contrast the range of its colors, the largest of the three channels
 * @returns {number}
 */
export function textureShare(contrast) {
  return Math.min(Math.max((contrast - PLAIN) / (TEXTURED - PLAIN), 0), 1);
}

/**
 * Moments of a picture that is to be given only a share of the style's contrast.
 *
 * @param {Moments} content its moments
 * @param {number} share of `textureShare`
 * @returns {Moments} `content` itself for a share of 1; deviations without end for one of 0
 */
export function tonedDown(content, share) {
  if (share === 1) return content;
  const std = content.std.map((each) => (share === 0 ? Infinity : each / share));
  return { mean: content.mean, std, count: null };
}
