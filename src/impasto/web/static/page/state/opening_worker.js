// @ts-check
/** Opens photographs beside the page: browsers reduce a large picture in the thread that asks. */

import { sentence } from "../errors.js";
import { openPhoto } from "../images/decoding.js";

/** Side of the small picture of a photograph, in pixels. */
const THUMBNAIL = 128;

/**
 * The middle of a picture, small and square.
 *
 * @param {ImageBitmap} bitmap
 * @returns {Promise<ImageBitmap>}
 */
function reduced(bitmap) {
  const side = Math.min(bitmap.width, bitmap.height);
  const left = Math.floor((bitmap.width - side) / 2);
  const top = Math.floor((bitmap.height - side) / 2);
  return createImageBitmap(bitmap, left, top, side, side, {
    resizeWidth: THUMBNAIL,
    resizeHeight: THUMBNAIL,
    resizeQuality: "medium",
  });
}

self.onmessage = async ({ data: { id, file, name } }) => {
  try {
    const { photo, bitmap } = await openPhoto(file, name);
    const thumbnail = await reduced(bitmap);
    self.postMessage({ id, value: { photo, bitmap, thumbnail } }, { transfer: [bitmap, thumbnail] });
  } catch (error) {
    self.postMessage({ id, problem: sentence(error) });
  }
};
