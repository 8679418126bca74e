// @ts-check
/** The mask of a picture: its size, and reading it from a file. */

import { fit, readMask } from "../controls/masks.js";
import { decodePixels } from "../images/decoding.js";

/** @typedef {{width: number, height: number}} Size */

/** Longest side of a mask that is painted on: more is not seen in its soft borders. */
const MOST = 1024;

/**
 * The size of a mask for a picture.
 *
 * @param {Size} picture
 * @returns {Size}
 */
export function maskSize({ width, height }) {
  const reduction = Math.max(1, Math.max(width, height) / MOST);
  return {
    width: Math.max(1, Math.round(width / reduction)),
    height: Math.max(1, Math.round(height / reduction)),
  };
}

/**
 * Read a mask from a file; of a large one that takes long, so in a worker.
 *
 * @param {Blob} file
 * @param {Size | null} picture to whose mask it is stretched; null: it keeps its own size, if it is
 *   not too large
 * @returns {Promise<Size & {values: Uint8ClampedArray<ArrayBuffer>}>} 255 is all
 */
export async function openMask(file, picture) {
  const name = file instanceof File && file.name ? file.name : "The mask";
  const plane = readMask(await decodePixels(file, null), name);
  const { width, height } = maskSize(picture ?? plane);
  const { data } = fit(plane, height, width);
  const values = new Uint8ClampedArray(data.length);
  for (let i = 0; i < data.length; i++) values[i] = 255 * data[i]; // rounded and clipped
  return { width, height, values };
}
