// @ts-check
/**
 * Application of color methods: to style pictures before encoding, to the result after it. Mirrors
 * impasto/controls/color/matching.py.
 */

import { clip } from "../../images/resizing.js";
import { effectiveCells, enough } from "../moments.js";
import { findMethod, linearMap, putLuminance } from "./methods.js";
import { ColorMoments, applyMap } from "./moments.js";
import { applyPalette, paletteMap, paletteOf } from "./palette.js";

/** @typedef {import("../../types").Amounts} Amounts */
/** @typedef {import("../../types").Window} Window */
/** @typedef {import("./moments.js").ColorMap} ColorMap */

/**
 * Whether a color method runs the model, as all do but `only`.
 *
 * @param {string | null} method
 */
export function needsModel(method) {
  return method === null || findMethod(method).stage !== "after";
}

/**
 * Whether a method needs the picture of a style; moments suffice for `luminance`.
 *
 * @param {string | null} method
 */
export function needsPicture(method) {
  return method !== null && findMethod(method).needsPicture;
}

/**
 * A style picture with the colors of a photograph, before it is encoded.
 *
 * @param {Window} style the picture as read
 * @param {ColorMoments} reference of the photograph, with weights of `pixelCounts`
 * @param {string} method one that acts before
 * @returns {Window} of the same size, clipped to [0, 1] but for `coral`
 */
export function matchColors(style, reference, method) {
  const have = ColorMoments.of(style.image, pixelCounts(style.alpha, null));
  const image = applyMap(style.image, linearMap(have, reference, method));
  if (findMethod(method).clip) clip(image);
  return { ...style, image };
}

/**
 * Give a painted picture the photograph's colors, for `luminance`; other methods do nothing.
 *
 * @param {Float32Array} painted (H, W, 3) in [0, 1]; changed where it lies
 * @param {Float32Array} photograph (H, W, 3)
 * @param {string} method any
 * @returns {Float32Array} `painted`
 */
export function restoreColors(painted, photograph, method) {
  if (findMethod(method).stage === "both") putLuminance(painted, photograph);
  return painted;
}

/**
 * The map that lays the palette of a style on a photograph, for `only`.
 *
 * @param {ColorMoments} content `paletteOf` the photograph, with weights of `pixelCounts`
 * @param {Window} style the picture as read
 * @returns {ColorMap}
 */
export function paletteTo(content, style) {
  return paletteMap(content, paletteOf(style.image, pixelCounts(style.alpha, null)));
}

/**
 * Palettes of styles laid on a photograph, for `only`, without running the model: strengths,
 * weights and masks mean the same as for painting.
 *
 * @param {Float32Array} image (H, W, 3)
 * @param {ColorMap[]} maps of K styles, of `paletteTo`
 * @param {Amounts} amounts their strengths
 * @returns {Float32Array} in [0, 1]
 */
export function applyPalettes(image, maps, amounts) {
  const { count, size, data } = amounts;
  const pixels = image.length / 3;
  const positions = size ? pixels : 1;
  const photograph = image.slice();
  clip(photograph);
  const result = new Float32Array(image.length);
  for (let pixel = 0, i = 0; pixel < pixels; pixel++, i += 3) {
    let rest = 1;
    for (let k = 0, j = size ? pixel : 0; k < count; k++, j += positions) rest -= data[j];
    result[i] = photograph[i] * rest;
    result[i + 1] = photograph[i + 1] * rest;
    result[i + 2] = photograph[i + 2] * rest;
  }
  for (const [k, map] of maps.entries()) {
    const laid = applyPalette(photograph, map);
    for (let pixel = 0, i = 0; pixel < pixels; pixel++, i += 3) {
      const amount = data[k * positions + (size ? pixel : 0)];
      result[i] += laid[i] * amount;
      result[i + 1] += laid[i + 1] * amount;
      result[i + 2] += laid[i + 2] * amount;
    }
  }
  clip(result);
  return result;
}

/**
 * The weights of pixels in statistics of color; null if all are equal. A region of too few pixels
 * counts as the whole picture, and a picture that is transparent everywhere as an opaque one.
 *
 * @param {Float32Array | null} opacity (H, W) in [0, 1]
 * @param {Float32Array | null} region (H, W) in [0, 1]
 * @returns {Float32Array | null}
 */
export function pixelCounts(opacity, region) {
  if (region && !isFlat(region)) {
    const counts = opacity ? region.map((each, i) => each * opacity[i]) : region;
    if (enough(effectiveCells(counts))) return counts;
  }
  if (!opacity || isFlat(opacity) || !enough(effectiveCells(opacity))) return null;
  return opacity;
}

/** @param {Float32Array} plane */
function isFlat(plane) {
  for (let i = 1; i < plane.length; i++) if (plane[i] !== plane[0]) return false;
  return true;
}
