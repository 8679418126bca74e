// @ts-check
/** Settings: their defaults, which are those of the command line, their ranges, and the look. */

import { padWeights } from "../view/pad.js";

/** @typedef {import("../types").Settings} Settings */
/** @typedef {import("../types").Look} Look */
/** @typedef {import("../types").Plane} Plane */

export const MAX_STYLES = 4;

/** @type {Readonly<Settings>} */
export const DEFAULTS = Object.freeze({
  model: "quality",
  styles: [],
  pad: Object.freeze({ x: 0.5, y: 0.5 }),
  alpha: 1,
  color: null,
  coarse: 1,
  styleSize: 512,
  size: null,
});

/** Quality of JPEG and WebP, in which nobody has turned anything. */
export const QUALITY = 92;

/** @typedef {{min: number, max: number, step: number}} Range */

/** @satisfies {Record<string, Range>} */
export const RANGES = {
  alpha: { min: 0, max: 2, step: 0.05 },
  coarse: { min: 1, max: 4, step: 0.25 },
  styleSize: { min: 128, max: 1024, step: 64 },
  quality: { min: 1, max: 100, step: 1 },
};

/** Smallest shorter side of a result that a link may ask for, in pixels. */
export const MIN_SIZE = 16;

/**
 * @param {number} value
 * @param {Range} range
 */
export function inside(value, range) {
  return Math.min(range.max, Math.max(range.min, value));
}

/**
 * Whether two values of settings are the same, down to their numbers.
 *
 * @param {unknown} one
 * @param {unknown} other
 */
export function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/**
 * How much of each style there is, from the place of the handle on the pad.
 *
 * @param {Settings} settings
 * @returns {number[]}
 */
export function weightsOf(settings) {
  return padWeights(settings.styles.length, settings.pad);
}

/**
 * What a painter is asked for.
 *
 * @param {Settings} settings
 * @param {(Plane | null)[]} masks one for each style; null: everywhere
 * @returns {Look}
 */
export function lookOf(settings, masks = []) {
  return {
    model: settings.model,
    styles: [...settings.styles],
    weights: weightsOf(settings),
    masks: masks.some((mask) => mask !== null) ? masks : [],
    alpha: settings.alpha,
    color: settings.color,
    coarse: settings.coarse,
    styleSize: settings.styleSize,
  };
}
