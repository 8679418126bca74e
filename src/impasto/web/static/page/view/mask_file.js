// @ts-check
/**
 * Files of masks, understood as controls/masks.py does: the alpha channel, if it is not opaque
 * everywhere, else the gray values; white is all, black is nothing.
 */

import { PaintError } from "../errors.js";
import { decodePixels } from "../images/decoding.js";
import { Stretch, clip } from "../images/resizing.js";

/** @typedef {import("../types").Pixels} Pixels */

/** What JPEG makes of gray: its three channels need not stay equal to the last bit. */
const GRAY_SPREAD = 4;
/** Less of a mask than this is rounding, as in controls/masks.py. */
const NOTHING = 1e-6;
/** Longest side of a mask that is painted on: more is not seen in its soft borders. */
const MOST = 1024;

/**
 * The size of a mask for a picture.
 *
 * @param {number} width
 * @param {number} height
 */
export function maskSize(width, height) {
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
 * @param {{width: number, height: number} | null} picture that it is stretched to the mask of;
 *   null: it keeps its own size, if it is not too large
 * @returns {Promise<{width: number, height: number, values: Uint8ClampedArray<ArrayBuffer>}>}
 */
export async function readMask(file, picture) {
  const pixels = await decodePixels(file, null);
  const { width, height } = maskSize(
    picture?.width ?? pixels.width,
    picture?.height ?? pixels.height,
  );
  const { plane, low, high } = planeOf(pixels, file);
  const same = width === pixels.width && height === pixels.height;
  const values = new Uint8ClampedArray(width * height);
  if (same || low === high) {
    for (let i = 0; i < values.length; i++) values[i] = 255 * (same ? plane[i] : low);
    return { width, height, values };
  }
  // Between its limits, so that nothing overshoots them.
  const span = high - low;
  for (let i = 0; i < plane.length; i++) plane[i] = (plane[i] - low) / span;
  const horizontal = Stretch.of(pixels.width, width, { start: 0, stop: width });
  const vertical = Stretch.of(pixels.height, height, { start: 0, stop: height });
  const across = new Float32Array(pixels.height * width);
  horizontal.across(plane, 1, pixels.height, across, 0);
  const scaled = vertical.down(across, width);
  clip(scaled);
  for (let i = 0; i < values.length; i++) {
    values[i] = 255 * (low + (scaled[i] < NOTHING ? 0 : scaled[i]) * span);
  }
  return { width, height, values };
}

/**
 * What counts of a picture, and its limits.
 *
 * @param {Pixels} pixels
 * @param {Blob} file
 */
function planeOf({ width, height, data }, file) {
  let spread = 0;
  let cutOut = false;
  for (let i = 0; i < data.length; i += 4) {
    const [red, green, blue] = [data[i], data[i + 1], data[i + 2]];
    const far = Math.max(red, green, blue) - Math.min(red, green, blue);
    if (far > spread) spread = far;
    if (data[i + 3] < 255) cutOut = true;
  }
  if (!cutOut && spread > GRAY_SPREAD) {
    const name = file instanceof File && file.name ? file.name : "The mask";
    throw new PaintError(
      `${name} is a picture in color, whose channels differ by up to ${spread} of 255: ` +
        "a mask is a gray picture, or one with an alpha channel.",
    );
  }
  const plane = new Float32Array(width * height);
  let low = 1;
  let high = 0;
  for (let i = 0, k = 0; k < plane.length; i += 4, k++) {
    const value = cutOut ? data[i + 3] / 255 : (data[i] + data[i + 1] + data[i + 2]) / 765;
    if (value < low) low = value;
    if (value > high) high = value;
    plane[k] = value;
  }
  return { plane, low, high };
}
